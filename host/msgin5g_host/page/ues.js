/** The list of UEs: only the rows in sight are elements, so 100,000 scroll like 10. */

import { badge, clock, count, el, say, word } from "./dom.js";
import { Rows } from "./rows.js";

const STATES = ["registered", "expected", "unreachable", "deregistered"];
// Rows that are ready above and below what is in sight.
const SPARE = 8;
// While somebody still types or scrolls, nothing is fetched.
const PAUSE_MS = 120;

export class Ues {
  /** on.open: takes the UE's row that was chosen; on.problem: takes an ApiError. */
  constructor(on) {
    this._on = on;
    this._grid = document.getElementById("grid");
    this._body = document.getElementById("rows");
    this._shown = new Map();
    this._at = 0;
    this._chosen = "";
    this._frame = 0;
    this._pause = 0;
    this._inputs = ["q", "via", "link"].map((id) => document.getElementById(id));
    this.rows = new Rows({ change: () => this._changed(), problem: on.problem });
    this._makeStates();
    this._listen();
  }

  /** Fetch from the beginning, with what the filters say. */
  load() {
    const [q, via, link] = this._inputs.map((input) => input.value);
    const state = document.querySelector("#states input:checked").value;
    this._at = 0;
    this._grid.scrollTop = 0;
    this.rows.select({ q, via, link, state });
  }

  /** Mark the UE that is shown in the other pane, "" for none. */
  choose(ue) {
    this._chosen = ue;
    this._draw();
  }

  /** Let the keyboard work here. */
  focus() {
    this._grid.focus();
  }

  _makeStates() {
    const one = (state, shown) => {
      const input = el("input", { type: "radio", name: "state", value: state, class: "unseen" });
      input.checked = !state;
      const label = el("label", {}, input, shown, el("b", { "data-count": state }, ""));
      return label;
    };
    const all = [one("", "all"), ...STATES.map((state) => one(state, badge(state)))];
    document.getElementById("states").append(...all);
  }

  _listen() {
    const later = () => {
      clearTimeout(this._pause);
      this._pause = setTimeout(() => this.load(), PAUSE_MS);
    };
    for (const input of this._inputs) {
      input.addEventListener(input.tagName === "SELECT" ? "change" : "input", later);
    }
    document.getElementById("states").addEventListener("change", () => this.load());
    this._grid.addEventListener("scroll", () => this._soon(), { passive: true });
    this._grid.addEventListener("keydown", (event) => this._key(event));
    this._body.addEventListener("click", (event) => {
      const row = event.target.closest("[role=row]");
      if (row) this._open(Number(row.dataset.index));
    });
    this._inputs[0].addEventListener("keydown", (event) => {
      if (event.key !== "ArrowDown" && event.key !== "Enter") return;
      event.preventDefault();
      this.focus();
    });
    new ResizeObserver(() => this._soon()).observe(this._grid);
  }

  _key(event) {
    const page = Math.max(1, Math.floor(this._grid.clientHeight / this._height()) - 2);
    const last = this.rows.total - 1;
    const to = {
      ArrowDown: this._at + 1,
      ArrowUp: this._at - 1,
      PageDown: this._at + page,
      PageUp: this._at - page,
      Home: 0,
      End: last,
    }[event.key];
    if (event.key === "Enter" || event.key === " ") this._open(this._at);
    else if (to === undefined) return;
    else this._move(Math.min(Math.max(to, 0), Math.max(last, 0)));
    event.preventDefault();
  }

  _move(index) {
    this._at = index;
    const height = this._height();
    const head = this._body.offsetTop;
    const top = index * height;
    const most = this._grid.clientHeight - head - height;
    if (top < this._grid.scrollTop) this._grid.scrollTop = top;
    else if (top > this._grid.scrollTop + most) this._grid.scrollTop = top - most;
    this._draw();
  }

  _open(index) {
    this._at = index;
    const row = this.rows.at(index);
    if (row) this._on.open(row);
  }

  _changed() {
    this._frame ||= requestAnimationFrame(() => this._draw());
  }

  _soon() {
    this._changed();
    clearTimeout(this._fetching);
    this._fetching = setTimeout(() => this.rows.want(...this._sight()), PAUSE_MS / 2);
  }

  _height() {
    return parseFloat(getComputedStyle(this._grid).getPropertyValue("--row")) || 30;
  }

  _sight() {
    const height = this._height();
    const first = Math.floor(this._grid.scrollTop / height);
    const last = first + Math.ceil(this._grid.clientHeight / height);
    return [Math.max(first, 0), Math.max(Math.min(last, this.rows.total - 1), 0)];
  }

  _draw() {
    this._frame = 0;
    const { total, counts } = this.rows;
    const height = this._height();
    this._body.style.height = `${total * height}px`;
    this._grid.setAttribute("aria-rowcount", total + 1);
    this._at = Math.min(this._at, Math.max(total - 1, 0));
    const [first, last] = this._sight();
    const from = Math.max(first - SPARE, 0);
    const to = Math.min(last + SPARE, total - 1);
    const spare = [];
    for (const [index, element] of this._shown) {
      if (index < from || index > to) {
        this._shown.delete(index);
        spare.push(element);
      }
    }
    for (let index = from; index <= to; index += 1) {
      let element = this._shown.get(index);
      if (!element) {
        element = spare.pop() ?? this._body.appendChild(blank());
        this._shown.set(index, element);
        element.dataset.index = index;
        element.id = `row-${index}`;
        element.setAttribute("aria-rowindex", index + 2);
      }
      element.style.transform = `translateY(${index * height}px)`;
      this._fill(element, index);
    }
    for (const element of spare) element.remove();
    const active = this._shown.has(this._at) ? `row-${this._at}` : "";
    if (active) this._grid.setAttribute("aria-activedescendant", active);
    else this._grid.removeAttribute("aria-activedescendant");
    this._tell(total, counts);
  }

  _fill(element, index) {
    const row = this.rows.at(index);
    const chosen = row !== undefined && row.ue_service_id === this._chosen;
    element.classList.toggle("active", index === this._at);
    element.setAttribute("aria-selected", String(chosen));
    if (element.shown === row) return;
    element.shown = row;
    element.classList.toggle("blank", row === undefined);
    const [state, ue, via, link, last] = element.children;
    state.replaceChildren(...(row ? [badge(row.state)] : []));
    say(ue, row?.ue_service_id ?? "…");
    ue.title = row?.ue_service_id ?? "";
    say(via, row ? row.via || (row.peer ? "direct" : "") : "");
    via.title = row?.via ?? "";
    say(link, row?.link ?? "");
    last.replaceChildren(...lastMessage(row));
    if (row) this._knowGateway(row.via);
  }

  _knowGateway(via) {
    const select = this._inputs[1];
    if (!via || select.options.length > 500) return;
    this._gateways ??= new Set();
    if (this._gateways.has(via)) return;
    this._gateways.add(via);
    select.append(el("option", {}, via));
  }

  _tell(total, counts) {
    let all = 0;
    for (const state of STATES) {
      all += counts[state] ?? 0;
      const shown = document.querySelector(`#states [data-count="${state}"]`);
      say(shown, counts[state] === undefined ? "" : count(counts[state]));
    }
    say(document.querySelector('#states [data-count=""]'), this.rows.isLoaded ? count(all) : "");
    const filtered = Object.values(this.rows.filter).some(Boolean);
    const found = document.getElementById("found");
    say(found, filtered && this.rows.isLoaded ? `${count(total)} found` : "");
    const empty = document.getElementById("no-ues");
    empty.hidden = total > 0 || !this.rows.isLoaded;
    const { state } = this.rows.filter;
    const those = state ? `that is ${word(state)}` : "here";
    say(empty, filtered ? "No UE fits these filters." : `No UE ${those} yet.`);
  }
}

function blank() {
  const cells = ["state", "id", "id via", "link", "last"];
  return el(
    "div",
    { class: "row", role: "row" },
    ...cells.map((name) => el("span", { class: name, role: "gridcell" })),
  );
}

function lastMessage(row) {
  if (!row) return [];
  const parts = [];
  if (row.waiting) parts.push(el("span", { class: "waiting" }, `${count(row.waiting)} waiting`));
  if (row.last) {
    parts.push(
      el("time", { datetime: row.last.t }, clock(row.last.t)),
      el("b", {}, row.last.what ?? ""),
      el("span", { class: "text" }, row.last.text ?? ""),
    );
  }
  return parts;
}
