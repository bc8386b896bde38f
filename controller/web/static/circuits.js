// The wiring tree: load against rating on each phase.

import {byId, el, keyedList, setAttribute, setText, show} from "./dom.js";
import {PHASES, amperes, rating} from "./format.js";

const percent = (part, whole) => `${(whole > 0 ? Math.max(0, Math.min(1, part / whole)) * 100 : 0).toFixed(1)}%`;

function toneOf(load, limit, rated) {
  if (load > rated) {
    return "bad";
  }
  return load > limit ? "held" : "fine";
}

const WORD = {bad: "over rating", held: "at its limit", fine: ""};

function phaseRow(phase) {
  const base = el("span", {class: "fill base"});
  const own = el("span", {class: "fill own"});
  const tick = el("span", {class: "tick"});
  const value = el("td", {class: "num"});
  const word = el("span", {class: "word"});
  const name = el("th", {scope: "row"}, phase);
  const root = el("tr", {}, name, el("td", {class: "track"}, el("span", {class: "bar", "aria-hidden": "true"}, base, own, tick), word), value);
  return {
    root,
    update(load, other, limit, rated) {
      const tone = toneOf(load, limit, rated);
      const ours = Math.max(0, load - Math.max(0, other));
      setAttribute(root, "data-tone", tone);
      base.style.width = percent(load - ours, rated);
      own.style.width = percent(ours, rated);
      tick.style.left = percent(limit, rated);
      setText(value, `${amperes(load)} of ${rating(rated)}`);
      setText(word, WORD[tone]);
      show(word, tone !== "fine");
    },
  };
}

function depths(circuits) {
  const parents = new Map(circuits.map((circuit) => [circuit.id, circuit.parent]));
  const depthOf = (id) => {
    let depth = 0;
    for (let at = parents.get(id); at && depth < 8; at = parents.get(at)) {
      depth += 1;
    }
    return depth;
  };
  return (circuit) => depthOf(circuit.id);
}

// Parents first, each followed by its own children.
function inTreeOrder(circuits) {
  const known = new Set(circuits.map((circuit) => circuit.id));
  const below = (parent) => circuits.filter((circuit) => circuit.parent === parent).flatMap((circuit) => [circuit, ...below(circuit.id)]);
  return circuits.filter((circuit) => !known.has(circuit.parent)).flatMap((root) => [root, ...below(root.id)]);
}

function node({circuit}) {
  const rows = PHASES.map(phaseRow);
  const note = el("p", {class: "remark"});
  const kind = el("span", {class: "where"});
  const root = el(
    "li",
    {class: "circuit"},
    el("div", {class: "head"}, el("h3", {}, circuit.id), kind),
    note,
    el("table", {class: "phases"}, el("caption", {class: "unseen"}, `Load of ${circuit.id} per phase`), el("tbody", {}, ...rows.map((row) => row.root))),
  );
  return {
    root,
    update({circuit: now, depth}) {
      setAttribute(root, "data-depth", String(Math.min(depth, 4)));
      setText(kind, [now.parent ? `fed by ${now.parent}` : "grid connection", now.measured ? "measured" : "not measured: highest possible load"].join(" · "));
      const limited = now.limited_by !== "" && now.limited_by !== "rating";
      setText(note, limited ? `Limited from outside: ${now.limited_by}` : "");
      show(note, limited);
      rows.forEach((row, at) => row.update(now.load_ma[at], now.base_ma[at], now.limit_ma[at], now.rating_ma[at]));
    },
  };
}

export function circuitSection() {
  const update = keyedList(byId("circuit-list"), ({circuit}) => circuit.id, node);
  return ({circuits}) => {
    const depth = depths(circuits);
    show(byId("circuits-empty"), circuits.length === 0);
    show(byId("circuits-legend"), circuits.length > 0);
    update(inTreeOrder(circuits).map((circuit) => ({circuit, depth: depth(circuit)})));
  };
}
