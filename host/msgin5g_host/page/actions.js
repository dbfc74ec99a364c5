/** What an operator may do, each after a question; the question for the token. */

import { post } from "./api.js";
import { el } from "./dom.js";

const TOAST_MS = 12_000;
const MAX_TEXT = 2048;

/** Show a short result. act: {text, work} for a button beside it. */
export function tell(text, act = null) {
  const toast = document.getElementById("toast");
  const close = () => (toast.hidden = true);
  toast.replaceChildren(el("span", {}, text));
  if (act) {
    const button = el("button", { type: "button", class: "quiet" }, act.text);
    button.addEventListener("click", () => (close(), act.work()));
    toast.append(button);
  }
  toast.append(
    el("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: close }, "×"),
  );
  toast.hidden = false;
  clearTimeout(tell.timer);
  tell.timer = setTimeout(close, TOAST_MS);
}

/** Ask for a message and send it. to: who gets it, or ""; followed: takes the trace's id. */
export function send(to, followed) {
  const address = input("to", { value: to, required: true, maxlength: 255, spellcheck: "false" });
  const kind = el("select", { name: "kind" }, ...kinds());
  const text = el("textarea", { name: "text", rows: 3, maxlength: MAX_TEXT, required: true });
  const report = input("report", { type: "checkbox" });
  report.checked = true;
  dialog({
    title: "Send a message",
    explain:
      "It is sent in the name of the server's own application and is on disk before it says so.",
    fields: [
      labelled("To", address),
      labelled("which is a", kind),
      labelled("Text", text),
      el("label", { class: "check" }, report, "ask for a delivery report"),
    ],
    yes: "Send",
    first: to ? text : address,
    async work() {
      const body = {
        to: address.value.trim(),
        text: text.value,
        kind: kind.value,
        report: report.checked,
      };
      const { trace } = await post("send", body);
      tell(`Sent to ${body.to}.`, { text: "Follow it", work: () => followed(trace) });
    },
  });
}

/** Ask whether a UE shall be de-registered, and do it. */
export function deregister(ue) {
  dialog({
    title: "De-register this UE?",
    explain: "The server forgets its registration. Until it registers again, it gets no messages.",
    fields: [el("p", { class: "id" }, ue)],
    yes: "De-register",
    danger: true,
    async work() {
      await post("deregister", { ue_service_id: ue });
      tell(`${ue} is de-registered.`);
    },
  });
}

/** Ask for the operator's token; returns it. problem: what was wrong with the last one, or "". */
export function askToken(problem) {
  return new Promise((done) => {
    // Password managers want a name beside it.
    const name = input("username", { value: "operator", autocomplete: "username", hidden: true });
    const token = input("token", {
      type: "password",
      required: true,
      autocomplete: "current-password",
    });
    dialog({
      title: "Operator's token",
      explain:
        "This server shows its page to who has the token from its configuration, [http] token. It stays in this tab.",
      fields: [name, labelled("Token", token)],
      yes: "Show the page",
      problem,
      first: token,
      isNeeded: true,
      work: async () => done(token.value.trim()),
    });
  });
}

/** Show which keys there are. */
export function keys() {
  const rows = [
    ["/", "search a UE"],
    ["↑ ↓ Page Home End", "move in a list"],
    ["Enter", "open a UE, a message, an entry"],
    ["Escape", "one step back"],
    ["Tab", "from part to part"],
  ];
  const list = rows.flatMap(([key, text]) => [
    el("dt", {}, el("kbd", {}, key)),
    el("dd", {}, text),
  ]);
  dialog({
    title: "Keys",
    fields: [el("dl", { class: "keys" }, ...list)],
    yes: "Close",
    only: true,
  });
}

function dialog({ title, explain, fields, yes, work, first, danger, problem, isNeeded, only }) {
  const wrong = el("p", { class: "wrong", role: "alert" }, problem ?? "");
  const go = el("button", { type: "submit", class: danger ? "danger solid" : "primary" }, yes);
  const no = el("button", { type: "button", onclick: () => box.close() }, "Cancel");
  const head = el("h2", { id: "dialog-title" }, title);
  const form = el(
    "form",
    {},
    head,
    explain ? el("p", {}, explain) : null,
    ...fields,
    wrong,
    el("div", { class: "answers" }, isNeeded || only ? null : no, go),
  );
  const box = el("dialog", { "aria-labelledby": "dialog-title" }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    wrong.textContent = "";
    go.disabled = true;
    try {
      await work?.();
      box.close();
    } catch (failed) {
      wrong.textContent = failed.message;
      go.disabled = false;
    }
  });
  box.addEventListener("cancel", (event) => isNeeded && event.preventDefault());
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  box.showModal();
  // A question that cannot be taken back is answered "no" by who only presses Enter.
  (first ?? (danger ? no : go)).focus();
}

function kinds() {
  const words = { UE: "UE", GROUP: "group", TOPIC: "topic" };
  return Object.entries(words).map(([value, text]) => el("option", { value }, text));
}

const input = (name, props) => el("input", { name, ...props });
const labelled = (text, field) => el("label", {}, el("span", {}, text), field);
