// How a session is charged: who says so, and a dialog to say otherwise for the rest of it.

import {command} from "./commands.js";
import {byId, el, setAttribute, setText, show} from "./dom.js";

const FIELDS = {
  priority: {priority: "mode-priority"},
  deadline: {energy_kwh: "mode-energy", by: "mode-by"},
  fixed: {max_current_a: "mode-current"},
};

const HINTS = {
  rules: "What site.toml says for this card, charger and time.",
  standard: "Shares what there is with everybody else.",
  priority: "Served before every lower class. 1 stands just above standard.",
  deadline: "So much energy in this session by the next time the clock shows it. It is not a promise: the site's limits come first.",
  surplus: "Only what the site would export otherwise.",
  fixed: "Never more than this.",
};

const SOURCES = {"chosen": "chosen for this session", "no rule": ""};

function showKind(kind) {
  document.querySelectorAll("#mode-form fieldset").forEach((fields) => {
    const chosen = fields.dataset.kind === kind;
    show(fields, chosen);
    fields.disabled = !chosen; // what is not shown must not hold the form up
  });
  setText(byId("mode-hint"), HINTS[kind]);
}

// The controller's texts: "priority 2", "deadline 20 kWh by 07:00", "fixed 10 A".
function preset(evse) {
  const [kind, amount, , , by] = evse.mode.split(" ");
  const inputs = Object.values(FIELDS[kind] ?? {});
  [amount, by].slice(0, inputs.length).forEach((value, place) => {
    byId(inputs[place]).value = value;
  });
  byId("mode-kind").value = evse.mode_from === "chosen" ? kind : "rules";
  showKind(byId("mode-kind").value);
}

function bodyFor(id) {
  const mode = byId("mode-kind").value;
  const fields = Object.entries(FIELDS[mode] ?? {}).map(([name, input]) => [name, byId(input)]);
  return {evse: id, mode, ...Object.fromEntries(fields.map(([name, input]) => [name, input.type === "number" ? input.valueAsNumber : input.value]))};
}

function ask(evse) {
  const dialog = byId("mode");
  setText(byId("mode-title"), `Charging mode at ${evse.id}`);
  preset(evse);
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "apply" ? bodyFor(evse.id) : null), {once: true});
  });
}

export function modeLine() {
  const mode = el("strong");
  const from = el("span", {class: "where"});
  const note = el("p", {class: "where"});
  const button = el("button", {class: "button quiet", type: "button"}, "Change");
  const root = el("div", {class: "mode"}, el("div", {}, el("p", {}, "Mode ", mode, " ", from), note), button);
  let current = null;
  button.addEventListener("click", async () => {
    const body = await ask(current);
    if (body !== null) {
      const done = body.mode === "rules" ? `${body.evse} is charged as the rules say.` : `${body.evse}: ${body.mode}, until this session ends.`;
      await command("mode", body, {button, done});
    }
  });
  return {
    root,
    update(evse) {
      current = evse;
      show(root, evse.mode !== "");
      setText(mode, evse.mode);
      setText(from, SOURCES[evse.mode_from] ?? evse.mode_from);
      setText(note, evse.mode_note);
      show(note, evse.mode_note !== "");
      setAttribute(button, "aria-label", `Change the charging mode at ${evse.id}`);
    },
  };
}

export function modeDialog() {
  byId("mode-kind").addEventListener("change", () => showKind(byId("mode-kind").value));
  byId("mode-cancel").addEventListener("click", () => byId("mode").close());
}
