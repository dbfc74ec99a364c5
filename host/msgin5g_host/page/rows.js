/** The UEs as the server pages them: what was looked at is kept, the rest is fetched on sight. */

import { get } from "./api.js";
import { paced } from "./dom.js";

const PAGE = 100;
const MAX_PAGES = 40;
const AT_ONCE = 2;
const PACE_MS = 1000;

export class Rows {
  /** on.change: rows, total or counts are new. on.problem: takes an ApiError. */
  constructor(on) {
    this.total = 0;
    this.counts = {};
    this.filter = {};
    this.isLoaded = false;
    this._on = on;
    this._pages = new Map();
    this._places = new Map();
    this._wanted = [];
    this._loading = new Set();
    this._edition = 0;
    this._reload = paced(PACE_MS, () => this.refresh());
  }

  /** Show others. filter: q, state, via, link. */
  select(filter) {
    this.filter = filter;
    this._edition += 1;
    this._pages.clear();
    this._places.clear();
    this._loading.clear();
    this.isLoaded = false;
    this.want(0, PAGE);
  }

  /** Return the row at an index, undefined if it is not here (yet). */
  at(index) {
    return this._pages.get(Math.floor(index / PAGE))?.[index % PAGE];
  }

  /** Return a row by the UE's name, undefined if it is not here. */
  of(ue) {
    const index = this._places.get(ue);
    return index === undefined ? undefined : this.at(index);
  }

  /** These rows are in sight. */
  want(first, last) {
    this._wanted = [];
    for (let page = Math.floor(first / PAGE); page <= Math.floor(last / PAGE); page += 1) {
      const rows = this._pages.get(page);
      if (rows) {
        // What was looked at last is kept longest.
        this._pages.delete(page);
        this._pages.set(page, rows);
      } else this._wanted.push(page);
    }
    this._load();
  }

  /** Take a row that has changed. */
  apply(row) {
    const index = this._places.get(row.ue_service_id);
    const known = index === undefined ? undefined : this.at(index);
    if (known?.ue_service_id === row.ue_service_id) {
      this._pages.get(Math.floor(index / PAGE))[index % PAGE] = row;
      this._on.change();
    }
    // It may be new, or one of the wanted no more; the counts have changed, too.
    if (known?.state !== row.state || known.via !== row.via || known.link !== row.link) {
      this._reload();
    }
  }

  /** Fetch what is in sight again, without taking it away meanwhile. */
  refresh() {
    const newest = [...this._pages.keys()].slice(-2);
    for (const page of this._pages.keys()) if (!newest.includes(page)) this._forget(page);
    this._wanted = newest.length ? newest : [0];
    this._load();
  }

  _load() {
    while (this._wanted.length && this._loading.size < AT_ONCE) {
      const page = this._wanted.shift();
      if (!this._loading.has(page)) this._fetch(page, this._edition);
    }
  }

  async _fetch(page, edition) {
    this._loading.add(page);
    try {
      const query = { offset: page * PAGE, limit: PAGE, ...this.filter };
      const found = await get("ues", query);
      if (edition !== this._edition) return;
      this._keep(page, found);
    } catch (problem) {
      if (edition === this._edition) this._on.problem(problem);
    } finally {
      if (edition === this._edition) {
        this._loading.delete(page);
        this._load();
      }
    }
  }

  _keep(page, found) {
    this._forget(page);
    this._pages.set(page, found.ues);
    found.ues.forEach((row, at) => this._places.set(row.ue_service_id, page * PAGE + at));
    if (this._pages.size > MAX_PAGES) this._forget(this._pages.keys().next().value);
    this.total = found.total;
    this.counts = found.counts;
    this.isLoaded = true;
    this._on.change();
  }

  _forget(page) {
    for (const row of this._pages.get(page) ?? []) {
      const index = this._places.get(row.ue_service_id);
      if (Math.floor(index / PAGE) === page) this._places.delete(row.ue_service_id);
    }
    this._pages.delete(page);
  }
}
