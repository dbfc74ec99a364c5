/** From the entries of one trace to lanes and the hops between them. Nothing is drawn here. */

// More recipients than this share a lane.
const MAX_RECIPIENTS = 2;
const ANSWER = /^\d\.\d\d$/;

/**
 * Return {lanes: [{key, kind, name}], hops: [hop]} of a trace. ways: {UE: {via, link}}, as the
 * list of UEs has it.
 *
 * A hop is what passed between two lanes, seen by one end or both, or something that happened
 * at one: {from, to: indices of lanes, equal if nothing passed; what, link, sent, received:
 * ms since 1970 or null; t, gap: ms since the first and since the one before; entries}.
 */
export function follow(trace, ways) {
  const lanes = makeLanes(trace, ways);
  const hops = [];
  const open = [];
  for (const entry of trace.entries) {
    const ends = endsOf(entry, trace, lanes);
    const moment = Date.parse(entry.t);
    if (entry.event !== "message" || ends.from === ends.to) {
      const what = wordsOf(entry);
      const before = hops.at(-1);
      if (before?.from === ends.at && before.to === ends.at && before.what === what) {
        before.entries.push(entry);
        before.received = moment;
        continue;
      }
      const at = { from: ends.at, to: ends.at, what, link: "" };
      hops.push({ ...at, sent: moment, received: moment, entries: [entry] });
      continue;
    }
    const isSent = entry.direction === "tx";
    const other = open.findIndex(
      (hop) =>
        hop.from === ends.from &&
        hop.to === ends.to &&
        (isSent ? hop.sent === null : hop.received === null) &&
        isSame(hop.what, entry.what),
    );
    if (other >= 0) {
      const [hop] = open.splice(other, 1);
      hop[isSent ? "sent" : "received"] = moment;
      hop.link ||= linkOf(entry);
      hop.entries.push(entry);
      continue;
    }
    const hop = {
      from: ends.from,
      to: ends.to,
      what: entry.what ?? "",
      link: linkOf(entry) || linkBetween(lanes[ends.from], lanes[ends.to], ways),
      sent: isSent ? moment : null,
      received: isSent ? null : moment,
      entries: [entry],
    };
    hops.push(hop);
    open.push(hop);
  }
  return { lanes, hops: timed(hops) };
}

function timed(hops) {
  const start = (hop) => hop.sent ?? hop.received;
  const end = (hop) => hop.received ?? hop.sent;
  hops.sort((one, other) => start(one) - start(other));
  const first = hops.length ? start(hops[0]) : 0;
  let before = first;
  for (const hop of hops) {
    hop.t = start(hop) - first;
    hop.gap = Math.max(0, start(hop) - before);
    hop.took = hop.sent === null || hop.received === null ? null : hop.received - hop.sent;
    before = Math.max(before, end(hop));
  }
  return hops;
}

function makeLanes(trace, ways) {
  const origin = trace.from ?? "";
  const others = [];
  for (const name of [trace.to, ...trace.entries.map((entry) => entry.to)]) {
    if (name && name !== origin && !others.includes(name)) others.push(name);
  }
  // A group or topic is nobody's lane when its members are known.
  const members = others.filter((name) => name !== trace.to || isSomebody(name, trace, ways));
  const recipients = members.length ? members : others;
  const lanes = [];
  const add = (kind, name, owners) => lanes.push({ kind, name, owners });
  if (origin) add(kindOf(origin, trace, ways), origin, [origin]);
  const near = gatewayOf(origin, trace, ways);
  if (near && near !== origin) add("gateway", near, [origin]);
  if (trace.entries.some((entry) => entry.role === "server") || recipients.length) {
    add("server", "server", []);
  }
  const far = [...new Set(recipients.map((name) => gatewayOf(name, trace, ways)))].filter(Boolean);
  for (const name of far.slice(0, MAX_RECIPIENTS)) {
    add(
      "gateway",
      name,
      recipients.filter((one) => gatewayOf(one, trace, ways) === name),
    );
  }
  if (recipients.length > MAX_RECIPIENTS) {
    add("recipients", `${recipients.length} recipients`, recipients);
  } else {
    for (const name of recipients) add(kindOf(name, trace, ways), name, [name]);
  }
  // Of a trace whose beginning is forgotten, those who have told of it.
  for (const { role, at } of lanes.length ? [] : trace.entries) {
    if (!lanes.some((lane) => lane.name === at)) add(role, at, role === "ue" ? [at] : []);
  }
  return lanes;
}

function isSomebody(name, trace, ways) {
  if (ways[name]) return true;
  return trace.entries.some((entry) => entry.ue === name || entry.at === name);
}

function kindOf(name, trace, ways) {
  if (trace.entries.some((entry) => entry.at === name && entry.role === "gateway"))
    return "gateway";
  return ways[name] || trace.entries.some((entry) => entry.at === name) ? "ue" : "other";
}

function gatewayOf(ue, trace, ways) {
  if (!ue) return "";
  const seen = trace.entries.find((entry) => entry.role === "gateway" && entry.ue === ue);
  return seen?.at || ways[ue]?.via || "";
}

/** Return {at, from, to}: the lane of who saw it, and those between which it passed. */
function endsOf(entry, trace, lanes) {
  const server = lanes.findIndex((lane) => lane.kind === "server");
  // An answer goes back to whom the message is from; what the server receives comes from there.
  const isBack = ANSWER.test(entry.what ?? "");
  const isIn = entry.role === "server" && entry.direction === "rx";
  const addressed = isBack || isIn ? entry.from : entry.to;
  const subject = entry.ue ?? addressed ?? trace.from ?? "";
  const owner = lanes.findIndex(
    (lane) => lane.kind !== "gateway" && lane.owners.includes(subject),
  );
  const gateway = lanes.findIndex(
    (lane) => lane.kind === "gateway" && (lane.owners.includes(subject) || lane.name === subject),
  );
  let at;
  let other;
  if (entry.role === "server") {
    at = server;
    other = gateway >= 0 ? gateway : owner;
  } else if (entry.role === "gateway") {
    at = gateway >= 0 ? gateway : lanes.findIndex((lane) => lane.kind === "gateway");
    other = isNorth(entry) ? server : owner;
  } else {
    at = owner;
    other = gateway >= 0 && !isNorth(entry) ? gateway : server;
  }
  if (at < 0) at = Math.max(server, 0);
  if (other < 0) other = at;
  return entry.direction === "tx" ? { at, from: at, to: other } : { at, from: other, to: at };
}

const isNorth = (entry) => entry.iface === "MSGin5G-1";

function linkOf(entry) {
  const peer = String(entry.peer ?? "");
  return entry.role === "gateway" && peer.includes("://") ? peer.split("://")[0] : "";
}

function linkBetween(one, other, ways) {
  const ue = [one, other].find((lane) => lane.kind === "ue" || lane.kind === "recipients");
  const isLast = [one, other].some((lane) => lane.kind === "gateway");
  return ue && isLast ? (ways[ue.owners[0]]?.link ?? "") : "";
}

// The gateway says "ACCEPT" of what a device calls "REGISTRATION ACCEPT".
function isSame(one, other) {
  return one === other || String(one).endsWith(other) || String(other).endsWith(one);
}

function wordsOf(entry) {
  return entry.event === "message" ? (entry.what ?? "") : entry.event;
}
