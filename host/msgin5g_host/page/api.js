/** The view's HTTP API, with the operator's bearer token if the server wants one. */

const KEY = "msgin5g-token";

let token = sessionStorage.getItem(KEY) ?? "";
let asked = null;
// What a header can carry; a browser sends no request with anything else.
const CARRIED = /^[\x21-\x7e]*$/;
let onAsk = async () => "";

/** The API said no. status: of HTTP, 0 if nobody answered; message: a sentence for a person. */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Say how to ask a person for the token: a function of what went wrong, to a token. */
export function askBy(ask) {
  onAsk = ask;
}

/** Fetch `path` below /view/; a 401 asks for the token and tries again. Raises ApiError. */
export async function call(path, options = {}) {
  for (;;) {
    const used = token;
    const headers = { ...options.headers };
    if (used) headers.Authorization = `Bearer ${used}`;
    let answer;
    try {
      answer = await fetch(`view/${path}`, { ...options, headers, cache: "no-store" });
    } catch (problem) {
      if (problem.name === "AbortError") throw problem;
      throw new ApiError(0, "nobody answers here; is the process still running?");
    }
    if (answer.ok) return answer;
    if (answer.status !== 401) throw new ApiError(answer.status, await sentence(answer));
    // Somebody else may have been given the token meanwhile.
    if (used === token) await login(used ? "this token is not the operator's" : "");
  }
}

async function login(problem) {
  asked ??= askUntilCarried(problem).finally(() => (asked = null));
  token = await asked;
  sessionStorage.setItem(KEY, token);
}

async function askUntilCarried(problem) {
  for (;;) {
    const given = await onAsk(problem);
    if (CARRIED.test(given)) return given;
    problem = "a token has ASCII letters, digits and signs only";
  }
}

async function sentence(answer) {
  const text = await answer.text();
  try {
    const problem = JSON.parse(text);
    return String(problem.detail ?? problem.title ?? text);
  } catch {
    return text.slice(0, 300) || `answered ${answer.status}`;
  }
}

/** GET JSON. query: parameters; empty ones are left out. */
export async function get(path, query = {}, signal = undefined) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value != null);
  const text = new URLSearchParams(given).toString();
  return (await call(text ? `${path}?${text}` : path, { signal })).json();
}

/** POST JSON; returns the JSON of the answer. */
export async function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return (await call(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
}
