// Limits from outside and digital inputs: what counts, for how long, what happens then, and what it binds.

import {command, confirmStop} from "./commands.js";
import {byId, el, keyedList, setAttribute, setText, show} from "./dom.js";
import {amperes, duration, power} from "./format.js";
import {icon, setShape} from "./icons.js";

const SCOPE = {
  circuit: (target) => `all of ${target}`,
  charging: (target) => `charging at ${target}`,
  group: (target) => `the chargers of ${target}`,
  evse: (target) => `charger ${target}`,
};

// [what it says of its source, tone, shape]
const STATE = {
  set: ["In force", "active", "check"],
  free: ["Does not limit", "idle", "ring"],
  waiting: ["Nothing heard yet", "held", "half"],
  lost: ["Source silent", "bad", "warn"],
  "time uncertain": ["Time uncertain", "held", "warn"],
};

const valueOf = ({value_ma: ma, value_w: w}) => {
  if (ma !== null) {
    return `${amperes(ma)} per phase`;
  }
  return w === null ? "No limit" : power(w);
};

function lifeOf(limit) {
  if (limit.state === "set" && limit.expires_in_s !== null) {
    return `for ${duration(limit.expires_in_s)} more; without news ${limit.when_lost}`;
  }
  if (limit.state === "lost" || limit.state === "waiting") {
    return limit.when_lost;
  }
  return limit.age_s === null ? "" : `said ${duration(limit.age_s)} ago`;
}

function status() {
  const shape = icon();
  const label = el("span");
  const root = el("span", {class: "status"}, shape, label);
  return {
    root,
    update([text, tone, form]) {
      setAttribute(root, "data-tone", tone);
      setShape(shape, form);
      setText(label, text);
    },
  };
}

function limitRow(first) {
  const state = status();
  const [what, value, life, binds, refused] = [el("span", {class: "where"}), el("strong"), el("p", {class: "where"}), el("p", {class: "binds"}), el("p", {class: "remark"})];
  const root = el("tr", {}, el("th", {scope: "row"}, first.id, what), el("td", {}, el("div", {class: "pair"}, value, state.root), life, binds, refused));
  return {
    root,
    update(now) {
      setAttribute(root, "data-binds", String(now.binds.length > 0));
      setText(what, `${(SCOPE[now.scope] ?? String)(now.target)} · by ${now.source}`);
      setText(value, valueOf(now));
      state.update(STATE[now.state] ?? [now.state, "held", "warn"]);
      setText(life, lifeOf(now));
      setText(binds, now.binds.length ? `Binds ${now.binds.join(", ")}` : "");
      show(binds, now.binds.length > 0);
      setText(refused, now.refused ? `Last value refused: ${now.refused}` : "");
      show(refused, Boolean(now.refused));
    },
  };
}

function levelOf(input) {
  if (!input.known) {
    return input.active ? ["Cannot be read: counts as active", "bad", "warn"] : ["Not read yet", "held", "half"];
  }
  return input.active ? ["Active", input.stop_all ? "bad" : "active", input.stop_all ? "warn" : "check"] : ["Not active", "idle", "ring"];
}

function inputRow(first) {
  const state = status();
  const held = el("p", {class: "remark"});
  const button = el("button", {class: "button", type: "button"}, `Release ${first.id}`);
  button.addEventListener("click", async () => {
    const agreed = await confirmStop(`Release ${first.id}?`, "Make sure that the danger is over: charging goes on at once.", {no: "Keep stopped", yes: "Let charging go on"});
    if (agreed) {
      await command("release", {input: first.id}, {button, done: "Charging may go on."});
    }
  });
  const root = el("tr", {}, el("th", {scope: "row"}, first.id, el("span", {class: "where"}, "digital input")), el("td", {}, state.root, held, button));
  return {
    root,
    update(now) {
      state.update(levelOf(now));
      setText(held, now.latched ? "All charging is stopped until somebody releases it." : "");
      show(held, now.latched);
      show(button, now.latched);
    },
  };
}

export function limitSection() {
  const limits = keyedList(byId("limit-list"), ({id}) => id, limitRow);
  const inputs = keyedList(byId("input-list"), ({id}) => id, inputRow);
  return (site) => {
    show(byId("limits-empty"), site.limits.length + site.inputs.length === 0);
    show(byId("limit-table"), site.limits.length > 0);
    show(byId("input-table"), site.inputs.length > 0);
    limits(site.limits);
    inputs(site.inputs);
  };
}
