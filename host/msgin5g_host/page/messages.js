/** The pane beside the list: a UE with its messages, or the newest messages of all. */

import { get } from "./api.js";
import { arrange, arrowKeys, badge, clock, count, duration, el, paced } from "./dom.js";
import { shortName } from "./trace.js";

const PAGE = 50;
const PACE_MS = 1000;
const KINDS = [
  ["", "everything"],
  ["messages", "messages"],
  ["requests", "registrations"],
];

export class Messages {
  /**
   * on.follow: takes a trace's id; on.close: leaves the UE; on.send, on.deregister: take the UE's
   * name, null where there is no such action; on.problem: takes an ApiError.
   */
  constructor(on) {
    this.element = el("div", { class: "messages" });
    this._on = on;
    this._ue = null;
    this._limit = PAGE;
    this._edition = 0;
    this._head = el("div", {});
    this._items = new Map();
    this._list = el("ol", { class: "traces" });
    this._more = el("button", { type: "button", class: "older quiet", hidden: true });
    this._more.append("Show older messages");
    this._more.addEventListener("click", () => {
      this._limit += PAGE;
      this._load();
    });
    this.element.append(this._head, this._list, this._more);
    this._stop = arrowKeys(this._list, "button");
    this._list.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) on.follow(button.dataset.trace);
    });
    this._reload = paced(PACE_MS, () => this._load());
    this._kind = el("select", { "aria-label": "Kind" });
    for (const [value, text] of KINDS) this._kind.append(el("option", { value }, text));
    this._kind.addEventListener("change", () => this._load());
  }

  /** Show a UE by its row of the list; null for the messages of all. */
  async show(row) {
    if (row?.ue_service_id !== this._ue) {
      this._limit = PAGE;
      this._items.clear();
      this._list.replaceChildren();
      this._more.hidden = true;
    }
    this._ue = row?.ue_service_id ?? null;
    this._drawHead(row);
    await this._load();
  }

  /** Take the row of the UE when it has changed. */
  update(row) {
    if (row.ue_service_id === this._ue) this._drawHead(row);
  }

  /** Fetch what may have come while nobody told. */
  refresh() {
    this._reload();
  }

  /** Take an entry of the stream: there may be a new message. */
  take(entry) {
    if (!entry.trace || !this.element.isConnected) return;
    const names = [entry.ue, entry.from, entry.to];
    if (this._ue === null || names.includes(this._ue)) this._reload();
  }

  async _load() {
    const edition = (this._edition += 1);
    try {
      const found = await get("traces", {
        ue: this._ue,
        kind: this._kind.value,
        limit: this._limit,
      });
      if (edition === this._edition) this._draw(found);
    } catch (problem) {
      if (edition === this._edition) this._on.problem(problem);
    }
  }

  _draw(found) {
    const before = this._items;
    this._items = new Map(found.traces.map((trace) => [trace.trace, before.get(trace.trace)]));
    for (const trace of found.traces) {
      const item = this._items.get(trace.trace) ?? el("li", {}, opener(trace.trace));
      this._items.set(trace.trace, item);
      const told = JSON.stringify(trace);
      if (item.told !== told) item.firstChild.replaceChildren(...this._cells(trace));
      item.told = told;
    }
    const items = [...this._items.values()];
    if (!items.length) items.push(el("li", { class: "empty" }, "Nothing yet."));
    arrange(this._list, items);
    this._more.hidden = found.total <= found.count;
    this._stop();
  }

  _cells(trace) {
    return [
      el("time", { datetime: trace.began }, clock(trace.began)),
      el("b", { class: "kind" }, trace.kind || "request"),
      el("span", { class: "way" }, ...this._way(trace)),
      el("span", { class: "text" }, trace.text ?? ""),
      el("span", { class: "took" }, trace.ms ? duration(trace.ms) : ""),
      badge(trace.state),
    ];
  }

  _way(trace) {
    const name = (one) => el("span", { title: one ?? "" }, one ? shortName(one) : "?");
    if (this._ue !== null && trace.from === this._ue && trace.to) return ["to ", name(trace.to)];
    if (this._ue !== null && trace.to === this._ue) return ["from ", name(trace.from)];
    if (!trace.to) return [name(trace.from)];
    return [name(trace.from), " → ", name(trace.to)];
  }

  _drawHead(row) {
    if (!row) {
      this._head.dataset.looks = "";
      const title = el("h3", { tabindex: "-1" }, "Latest messages");
      const hint = el("span", { class: "found" }, "of all UEs");
      this._head.replaceChildren(el("header", { class: "title" }, title, hint, this._kind));
      return;
    }
    const ue = row.ue_service_id;
    const isHere = row.state === "registered" || row.state === "unreachable";
    const looks = `${ue} ${row.state}`;
    const known = facts(row);
    if (this._head.dataset.looks === looks) {
      this._head.querySelector("dl").replaceWith(known);
      return;
    }
    this._head.dataset.looks = looks;
    const isFocused = this._head.querySelector("h3") === document.activeElement;
    const focused = document.activeElement?.dataset?.act;
    const act = (name, text, kind) =>
      this._on[name]
        ? el(
            "button",
            { type: "button", "data-act": name, class: kind, onclick: () => this._on[name](ue) },
            text,
          )
        : null;
    this._head.replaceChildren(
      el(
        "header",
        { class: "title" },
        el(
          "button",
          { type: "button", class: "quiet back", "data-act": "close", onclick: this._on.close },
          "← All",
        ),
        el("h3", { tabindex: "-1", class: "id" }, ue),
        row.state ? badge(row.state) : null,
        el(
          "span",
          { class: "acts" },
          act("send", "Send…", ""),
          isHere ? act("deregister", "De-register…", "danger") : null,
        ),
      ),
      el("div", { class: "under" }, known, this._kind),
    );
    if (isFocused) this._head.querySelector("h3").focus();
    else if (focused) this._head.querySelector(`[data-act="${focused}"]`)?.focus();
  }
}

function opener(trace) {
  return el("button", { type: "button", "data-trace": trace });
}

function facts(row) {
  const pairs = [
    ["gateway", row.via || (row.peer ? "direct" : "")],
    ["link", row.link],
    ["peer", row.peer],
    ["registered", row.registered_at && clock(row.registered_at)],
    ["until", row.expires_at && clock(row.expires_at)],
    ["cached", row.cached || ""],
    ["in the outbox", row.outbox ? `${count(row.outbox)} messages` : ""],
    ["waiting", row.waiting ? `${count(row.waiting)} messages` : ""],
  ];
  return el(
    "dl",
    { class: "facts wide" },
    ...pairs
      .filter(([, value]) => value)
      .map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
  );
}
