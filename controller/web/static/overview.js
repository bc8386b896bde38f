// The first glance: a line of figures, and the foot of the page.

import {byId, el, keyedList, setAttribute, setText} from "./dom.js";
import {PHASES, duration, plural, power} from "./format.js";

function tile({name}) {
  const value = el("dd");
  const detail = el("dd", {class: "where"});
  const root = el("div", {class: "tile"}, el("dt", {}, name), value, detail);
  return {
    root,
    update(now) {
      setAttribute(root, "data-tone", now.tone ?? "");
      setText(value, now.value);
      setText(detail, now.detail);
    },
  };
}

const count = (site, ...names) => site.evses.filter((evse) => names.includes(evse.status)).length;

function powerTile(site) {
  const silent = site.evses.filter((evse) => evse.power_w === null).length;
  const total = site.evses.reduce((sum, evse) => sum + (evse.power_w ?? 0), 0);
  return {name: "Charging power", value: power(total), detail: silent ? `${plural(silent, "charger", "chargers")} not known` : "all chargers"};
}

function chargerTile(site) {
  const paused = count(site, "suspended-ev", "suspended-evse");
  return {name: "Charging", value: `${count(site, "charging", "starting")} of ${site.evses.length}`, detail: `${paused} paused · ${count(site, "available")} available`};
}

function circuitTile(site) {
  const loads = site.circuits.flatMap((circuit) => PHASES.map((phase, at) => ({
    where: `${circuit.id}, ${phase}`,
    share: circuit.rating_ma[at] > 0 ? circuit.load_ma[at] / circuit.rating_ma[at] : 0,
  })));
  const fullest = loads.reduce((most, load) => (load.share > most.share ? load : most), {where: "no circuit", share: 0});
  return {
    name: "Fullest circuit",
    value: `${Math.round(fullest.share * 100)} %`,
    detail: fullest.share > 1 ? `${fullest.where} · over rating` : fullest.where,
    tone: fullest.share > 1 ? "bad" : "",
  };
}

function csmsTile(site) {
  const up = site.csms.filter((csms) => csms.connected).length;
  const kept = site.csms.reduce((sum, csms) => sum + csms.outbox_depth, 0);
  if (site.csms.length === 0) {
    return {name: "CSMS", value: "None", detail: "the site runs alone"};
  }
  const value = site.csms.length === 1 ? (up ? "Connected" : "Not connected") : `${up} of ${site.csms.length}`;
  return {name: "CSMS", value, detail: `${site.csms.length === 1 ? "" : "connected · "}${kept ? `${plural(kept, "message", "messages")} to deliver` : "everything delivered"}`, tone: up < site.csms.length ? "held" : ""};
}

export function overviewSections() {
  const tiles = keyedList(byId("tiles"), ({name}) => name, tile);
  return (site) => {
    setText(byId("site-name"), site.name || site.site);
    tiles([powerTile(site), chargerTile(site), circuitTile(site), csmsTile(site)]);
    const clock = site.time_trusted ? site.time_utc : `${site.time_utc} (clock not confirmed)`;
    setText(byId("foot"), `${site.site} · running for ${duration(site.uptime_s)} · control cycle ${Math.round(site.cycle_s * 1000)} ms · ${clock}`);
  };
}
