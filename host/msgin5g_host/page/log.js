/** The protocol log as it happens: each entry a line, and its JSON when it is opened. */

import { get } from "./api.js";
import { arrowKeys, clock, count, el, paced, say } from "./dom.js";

// So many entries are kept, and so many of them are lines.
const MAX_KEPT = 2000;
const MAX_LINES = 300;
const OLDER = 200;
const PAUSE_MS = 120;
// New lines come in lots: nobody reads them one by one.
const PACE_MS = 150;
// Said in columns of their own, or nothing that a person looks for.
const COLUMNS = ["n", "t", "role", "at", "event", "direction", "iface", "what", "ue", "trace"];
const FIRST = ["text", "detail", "cause", "reason", "status", "from", "to"];

export class Log {
  /** on.follow: takes a trace's id; on.problem: takes an ApiError. */
  constructor(on) {
    this._on = on;
    this._kept = [];
    this._held = [];
    this._missed = 0;
    this._isPaused = false;
    this._query = document.getElementById("log-q");
    this._role = document.getElementById("log-role");
    this._pause = document.getElementById("pause");
    this._older = document.getElementById("older");
    this._scroll = document.getElementById("log-scroll");
    this._list = document.getElementById("entries");
    this._stop = arrowKeys(this._list, ".line");
    this._fresh = [];
    this._soon = paced(PACE_MS, () => this._append());
    this._listen();
  }

  /** Begin anew; returns the number of the last entry. */
  async load() {
    const { entries } = await get("log", { limit: OLDER });
    this._kept = entries;
    this._held = [];
    this._fresh = [];
    this._older.hidden = !entries.length || entries[0].n <= 1;
    this._draw();
    return entries.at(-1)?.n ?? 0;
  }

  /** Take an entry of the stream. */
  take(entry) {
    if (this._isPaused) {
      this._held.push(entry);
      if (this._held.length > MAX_KEPT) this._held.shift();
      say(this._pause, `Resume (${count(this._held.length)} new)`);
      return;
    }
    this._keep(entry);
    if (!this._fits(entry)) return;
    this._fresh.push(entry);
    this._soon();
  }

  /** The server could not keep up: so many entries are not here. */
  missed(entries) {
    this.take({
      n: 0,
      event: "missed",
      detail: `${count(entries)} entries were left out`,
      role: "page",
    });
  }

  _listen() {
    let timer = 0;
    const later = () => {
      clearTimeout(timer);
      timer = setTimeout(() => this._draw(), PAUSE_MS);
    };
    this._query.addEventListener("input", later);
    this._role.addEventListener("change", later);
    this._pause.addEventListener("click", () => this._toggle());
    this._older.addEventListener("click", () => this._loadOlder());
    this._list.addEventListener("click", (event) => {
      const line = event.target.closest(".line");
      if (line) this._expand(line);
    });
  }

  _toggle() {
    this._isPaused = !this._isPaused;
    this._pause.setAttribute("aria-pressed", String(this._isPaused));
    say(this._pause, this._isPaused ? "Resume" : "Pause");
    if (this._isPaused) return;
    for (const entry of this._held.splice(0)) this._keep(entry);
    this._draw();
  }

  async _loadOlder() {
    const before = this._kept.find((entry) => entry.n)?.n ?? 0;
    try {
      const { entries } = await get("log", { limit: OLDER, before });
      const height = this._scroll.scrollHeight;
      this._kept.unshift(...entries);
      this._kept.splice(MAX_KEPT);
      this._older.hidden = !entries.length || this._kept.length >= MAX_KEPT;
      this._draw(this._kept.length);
      this._scroll.scrollTop += this._scroll.scrollHeight - height;
    } catch (problem) {
      this._on.problem(problem);
    }
  }

  _keep(entry) {
    this._kept.push(entry);
    if (this._kept.length > MAX_KEPT) this._kept.shift();
  }

  _fits(entry) {
    if (this._role.value && entry.role !== this._role.value) return false;
    const words = this._query.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return true;
    const text = JSON.stringify(entry).toLowerCase();
    return words.every((word) => text.includes(word));
  }

  _draw(most = MAX_LINES) {
    const fit = this._kept.filter((entry) => this._fits(entry)).slice(-most);
    this._fresh = [];
    this._list.replaceChildren(...fit.map((entry) => this._line(entry)));
    if (!fit.length) {
      const text = this._kept.length ? "No entry fits this filter." : "Nothing happened yet.";
      this._list.append(el("li", { class: "empty" }, text));
    }
    this._stop();
    if (most === MAX_LINES) this._scroll.scrollTop = this._scroll.scrollHeight;
  }

  _append() {
    if (!this._fresh.length) return;
    const { scrollHeight, scrollTop, clientHeight } = this._scroll;
    const isAtEnd = scrollHeight - scrollTop - clientHeight < 40;
    this._list.querySelector(".empty")?.remove();
    this._list.append(
      ...this._fresh
        .splice(0)
        .slice(-MAX_LINES)
        .map((entry) => this._line(entry)),
    );
    // Who reads further up keeps the place.
    while (isAtEnd && this._list.children.length > MAX_LINES) this._list.firstChild.remove();
    while (this._list.children.length > MAX_KEPT) this._list.firstChild.remove();
    if (isAtEnd) this._scroll.scrollTop = this._scroll.scrollHeight;
    this._stop();
  }

  _line(entry) {
    const way = { rx: "←", tx: "→" }[entry.direction] ?? "";
    const isMessage = entry.event === "message";
    const line = el(
      "button",
      {
        type: "button",
        class: `line ${isMessage ? "message" : "event"}`,
        "aria-expanded": "false",
      },
      el("time", {}, entry.t ? clock(entry.t, true) : ""),
      el("span", { class: `role ${entry.role}` }, String(entry.role ?? "")),
      el("span", { class: "iface" }, isMessage ? `${way} ${entry.iface ?? ""}` : ""),
      el("b", {}, String(isMessage ? (entry.what ?? "") : entry.event)),
      el("span", { class: "rest" }, rest(entry, isMessage)),
    );
    line.entry = entry;
    return el("li", {}, line);
  }

  _expand(line) {
    const item = line.parentElement;
    const isOpen = line.getAttribute("aria-expanded") === "true";
    line.setAttribute("aria-expanded", String(!isOpen));
    if (isOpen) {
      item.lastChild.remove();
      return;
    }
    const { trace } = line.entry;
    const follow = el("button", {
      type: "button",
      class: "quiet",
      onclick: () => this._on.follow(trace),
    });
    follow.append("Follow it hop by hop");
    const json = el("pre", {}, JSON.stringify(line.entry, null, 2));
    item.append(el("div", { class: "opened" }, trace ? follow : null, json));
  }
}

function rest(entry, isMessage) {
  const parts = [entry.ue ?? entry.at ?? ""];
  for (const name of new Set([...FIRST.filter((one) => one in entry), ...Object.keys(entry)])) {
    const value = entry[name];
    if (COLUMNS.includes(name) && !(name === "what" && !isMessage)) continue;
    if (value === null || value === "") continue;
    parts.push(`${name}=${typeof value === "object" ? JSON.stringify(value) : value}`);
  }
  return parts.filter(Boolean).join("  ");
}
