// CSMS connections, devices, and the card that is presented by its number.

import {command, confirmTyped} from "./commands.js";
import {byId, el, keyedList, setAttribute, setText, show} from "./dom.js";
import {plural} from "./format.js";
import {icon, setShape} from "./icons.js";

function badge() {
  const shape = icon();
  const label = el("span");
  const root = el("span", {class: "status"}, shape, label);
  return {
    root,
    update(good, text, tone = good ? "active" : "bad") {
      setAttribute(root, "data-tone", tone);
      setShape(shape, good ? "check" : "warn");
      setText(label, text);
    },
  };
}

function connectionState(csms) {
  if (!csms.connected) {
    return [false, "Not connected"];
  }
  return csms.registration === "Accepted" ? [true, "Connected"] : [false, `Connected, ${csms.registration || "not registered yet"}`, "held"];
}

function connection(first) {
  const state = badge();
  const [address, waiting, fault] = [el("p", {class: "where"}), el("p"), el("p", {class: "remark"})];
  const root = el("article", {class: "csms"}, el("div", {class: "head"}, el("h3", {}, first.identity), state.root), address, waiting, fault);
  return {
    root,
    update(csms) {
      state.update(...connectionState(csms));
      setText(address, `OCPP ${csms.version} · ${csms.url}`);
      const parked = csms.parked ? `, ${csms.parked} set aside: not accepted by the CSMS` : "";
      setText(waiting, csms.outbox_depth || csms.parked ? `${plural(csms.outbox_depth, "message", "messages")} kept for delivery${parked}` : "Everything delivered");
      setText(fault, csms.last_error ? `Last error: ${csms.last_error}` : "");
      show(fault, Boolean(csms.last_error));
    },
  };
}

const HEALTH = {
  ok: [true, "Answers"],
  lost: [false, "Lost"],
  unknown: [false, "Not heard yet", "held"],
};

async function forgetModule(module, button) {
  const words = `${module} has no mains`;
  const told = `${module} does not answer, so what it may be delivering is kept free for it. Only if it has no mains, or is taken out, it can be left out of account. Go and look, then type: ${words}`;
  const typed = await confirmTyped(`Leave ${module} out of account?`, told, "Leave it out");
  if (typed !== null) {
    await command("forget-module", {module, confirmed: typed}, {button, done: `${module} is left out of account.`});
  }
}

function device(first) {
  const state = badge();
  const text = el("p", {class: "where"});
  const button = el("button", {class: "button", type: "button"}, "It has no mains …");
  button.addEventListener("click", () => forgetModule(first.id, button));
  const root = el("tr", {}, el("th", {scope: "row"}, first.id, el("span", {class: "where"}, first.kind)), el("td", {}, state.root, text, button));
  return {
    root,
    update(now) {
      state.update(...(HEALTH[now.health] ?? [false, now.health]));
      setText(text, now.text);
      show(button, now.silent);
    },
  };
}

function readersOf(site) {
  const readers = site.devices.filter((found) => found.kind === "reader").map((found) => found.id);
  return [...readers, ...site.evses.map((evse) => evse.id).filter((id) => !readers.includes(id))];
}

function tapForm() {
  const form = byId("tap-form");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const uid = byId("tap-uid");
    const reader = byId("tap-reader").value;
    const button = form.querySelector("button");
    if (await command("tap", {reader, uid: uid.value}, {button, done: `Card presented at ${reader}.`})) {
      uid.value = "";
    }
  });
  const update = keyedList(byId("tap-reader"), (id) => id, (id) => ({root: el("option", {value: id}, id), update() {}}));
  return (site) => {
    const readers = readersOf(site);
    show(byId("tap"), readers.length > 0);
    update(readers);
  };
}

export function equipmentSections() {
  const connections = keyedList(byId("csms-list"), (csms) => `${csms.csms} ${csms.identity}`, connection);
  const devices = keyedList(byId("device-list"), (found) => `${found.kind} ${found.id}`, device);
  const tap = tapForm();
  return (site) => {
    show(byId("csms-empty"), site.csms.length === 0);
    connections(site.csms);
    show(byId("devices-empty"), site.devices.length === 0);
    show(byId("device-table"), site.devices.length > 0);
    devices(site.devices);
    tap(site);
  };
}
