// Looks for devices on a bus while the site runs: progress, what answers, and the tables for site.toml.

import {notify, send} from "./commands.js";
import {byId, el, keyedList, setAttribute, setText, show} from "./dom.js";

const CONFIDENCE = {
  identified: "says that it is",
  likely: "is likely",
  possible: "is possibly",
};

function lines(parent, tone) {
  return keyedList(parent, (text) => text, (text) => ({root: el("li", tone ? {class: tone} : {}, text), update() {}}));
}

function found() {
  return (first) => {
    const proposals = el("ul");
    const notes = el("ul");
    const root = el("li", {}, el("strong", {}, `${first.called === "module" ? "Module" : "Unit"} ${first.unit}`), el("span", {class: "where"}, ` on ${first.wire}`), proposals, notes);
    const fits = keyedList(proposals, ({profile}) => profile, proposal);
    const doubts = lines(notes, "doubt");
    return {
      root,
      update(now) {
        fits(now.proposals);
        doubts(now.proposals.length + now.notes.length ? now.notes : ["Answers, but fits no device profile."]);
      },
    };
  };
}

// Modules of two protocols may have one address on a CAN bus.
function keyOf({wire, unit, called, proposals}) {
  return called === "module" ? `${wire} ${unit} ${proposals[0]?.profile}` : `${wire} ${unit}`;
}

function proposal(first) {
  const why = first.why.length ? el("span", {class: "where"}, ` (${first.why.join("; ")})`) : "";
  return {root: el("li", {}, `${CONFIDENCE[first.confidence] ?? first.confidence} `, el("code", {}, first.profile), why), update() {}};
}

function knownText(scan) {
  const names = scan.known.map(({unit, ids}) => `${unit} (${ids.join(", ") || "of this site"})`);
  return names.length ? `Not asked, because they belong to this site: ${scan.known[0].called} ${names.join(", ")}` : "";
}

function progress(scan, running) {
  const bar = byId("find-bar");
  show(bar, running);
  if (running && scan.of > 0) {
    setAttribute(bar, "max", String(scan.of));
    setAttribute(bar, "value", String(scan.done));
  } else {
    bar.removeAttribute("value");
  }
  setText(byId("find-step"), running ? `Bus ${scan.bus}: ${scan.text}` : "");
  const saying = {done: `Bus ${scan.bus}: ${scan.text}.`, cancelled: `The search on bus ${scan.bus} was cancelled.`, failed: `Bus ${scan.bus}: ${scan.text}`};
  setText(byId("find-said"), saying[scan.state] ?? "");
}

function controls() {
  byId("find-form").addEventListener("submit", (event) => {
    event.preventDefault();
    send("POST", "/api/scan", {bus: byId("find-bus").value}, {button: byId("find-start"), done: "The search has begun."});
  });
  byId("find-cancel").addEventListener("click", () => {
    send("DELETE", "/api/scan", undefined, {button: byId("find-cancel"), done: "The search was cancelled."});
  });
  byId("find-copy").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(byId("find-text").textContent);
      notify("Copied.", "good");
    } catch {
      // A page without TLS has no clipboard.
      getSelection().selectAllChildren(byId("find-text"));
      notify("Selected: copy it with the keyboard or the menu.", "good");
    }
  });
}

export function findSection() {
  controls();
  const wires = keyedList(byId("find-bus"), ({bus}) => bus, ({bus, wire}) => ({root: el("option", {value: bus}, `${bus} · ${wire}`), update() {}}));
  const notes = lines(byId("find-notes"));
  const devices = keyedList(byId("find-list"), keyOf, found());
  return ({scan}) => {
    const running = scan.state === "running";
    show(byId("find-empty"), scan.wires.length === 0);
    show(byId("find"), scan.wires.length > 0);
    wires(scan.wires);
    show(byId("find-start"), !running);
    show(byId("find-cancel"), running);
    byId("find-bus").disabled = running;
    progress(scan, running);
    notes(scan.notes);
    setText(byId("find-known"), knownText(scan));
    devices(scan.found);
    show(byId("find-tables"), scan.fragment !== "");
    setText(byId("find-text"), scan.fragment);
  };
}
