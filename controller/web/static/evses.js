// One card per EVSE.

import {command, confirmStop} from "./commands.js";
import {byId, el, keyedList, setAttribute, setText, show} from "./dom.js";
import {PHASES, amperes, duration, energy, power, reason, status} from "./format.js";
import {icon, setShape} from "./icons.js";
import {modeLine} from "./modes.js";

function statusLine() {
  const shape = icon();
  const label = el("span");
  const root = el("p", {class: "status"}, shape, label);
  return {
    root,
    update(evse) {
      const {label: text, tone, shape: form} = status(evse.status);
      setAttribute(root, "data-tone", tone);
      setShape(shape, form);
      setText(label, evse.operative || evse.status === "unavailable" ? text : `${text}, out of service afterwards`);
    },
  };
}

function phaseRow(phase) {
  const fill = el("span", {class: "fill own"});
  const value = el("td", {class: "num"});
  const root = el("tr", {}, el("th", {scope: "row"}, phase), el("td", {class: "track"}, el("span", {class: "bar", "aria-hidden": "true"}, fill)), value);
  return {
    root,
    update(drawnMa, offeredMa) {
      setText(value, drawnMa === null ? "unknown" : amperes(drawnMa));
      const share = drawnMa === null || offeredMa <= 0 ? 0 : Math.max(0, Math.min(1, drawnMa / offeredMa));
      fill.style.width = `${(share * 100).toFixed(1)}%`;
    },
  };
}

function currents() {
  const offered = el("strong");
  const watts = el("strong");
  const rows = PHASES.map(phaseRow);
  const table = el("table", {class: "phases"}, el("caption", {class: "unseen"}, "Current drawn per phase"), el("tbody", {}, ...rows.map((row) => row.root)));
  const root = el("div", {class: "currents"}, el("p", {class: "pair"}, el("span", {}, "Offered ", offered), el("span", {}, "Draws ", watts)), table);
  return {
    root,
    update(evse) {
      const drawn = evse.drawn_ma;
      const busy = evse.offered_ma > 0 || (drawn !== null && drawn.some((ma) => ma > 500));
      show(root, busy || evse.transaction !== null);
      show(table, busy && evse.dc === null);
      setText(offered, evse.dc === null ? amperes(evse.offered_ma) : power(evse.dc.offered_w));
      setText(watts, evse.power_w === null ? "unknown" : power(evse.power_w));
      rows.forEach((row, place) => row.update(drawn === null ? null : drawn[place], evse.offered_ma));
    },
  };
}

// What only a DC outlet has: its power modules, and the battery at its other end.
function dcLine() {
  const root = el("p", {class: "where"});
  return {
    root,
    update({dc, offered_ma: offered}) {
      show(root, dc !== null);
      if (dc !== null) {
        const charge = dc.soc_percent === null ? [] : [`Battery ${dc.soc_percent} %`];
        const stacks = dc.stacks.length > 0 ? `power from ${dc.stacks.join(", ")}` : "no power modules now";
        const input = offered > 0 ? [`up to ${amperes(offered)} per phase from the site`] : [];
        setText(root, [...charge, stacks, ...input].join(" · "));
      }
    },
  };
}

function transactionLine() {
  const token = el("dd");
  const taken = el("dd");
  const since = el("dd");
  const field = (name, value) => el("div", {}, el("dt", {}, name), value);
  const root = el("dl", {class: "transaction"}, field("Card", token), field("Energy", taken), field("Time", since));
  return {
    root,
    update({transaction}) {
      show(root, transaction !== null);
      if (transaction !== null) {
        setText(token, transaction.token);
        setText(taken, transaction.energy_wh === null ? "unknown" : energy(transaction.energy_wh));
        setText(since, duration(transaction.seconds));
      }
    },
  };
}

function stopButton() {
  const root = el("button", {class: "button quiet", type: "button"}, "Stop");
  let current = null;
  root.addEventListener("click", async () => {
    const evse = current;
    const {token, energy_wh: wh} = evse.transaction;
    const so = wh === null ? "" : ` It has taken ${energy(wh)}.`;
    if (await confirmStop(`Stop charging at ${evse.id}?`, `This ends the transaction of card ${token}.${so} To go on, the driver has to present the card again.`)) {
      await command("stop", {evse: evse.id}, {button: root, done: `Charging at ${evse.id} was stopped.`});
    }
  });
  return {
    root,
    update(evse) {
      current = evse;
      show(root, evse.transaction !== null && evse.status !== "finishing");
      setAttribute(root, "aria-label", `Stop charging at ${evse.id}`);
    },
  };
}

function remark(evse) {
  if (evse.status === "unreachable") {
    return `Does not answer. It may be drawing up to ${amperes(evse.bound_ma)} per phase, which is reserved for it.`;
  }
  if (evse.fault) {
    return evse.fault;
  }
  return evse.status === "plugged" ? "Connected. Present a card to charge." : reason(evse.reason);
}

function card(first) {
  const heading = el("h3", {}, first.id);
  const remarkLine = el("p", {class: "remark"});
  const message = el("p", {class: "message"});
  const circuit = el("span", {class: "where"});
  const parts = [statusLine(), currents(), dcLine(), modeLine(), transactionLine(), stopButton()];
  const [state, amps, dc, mode, transaction, stop] = parts;
  const root = el(
    "article",
    {class: "evse"},
    el("div", {class: "head"}, el("div", {}, heading, circuit), state.root),
    remarkLine,
    message,
    amps.root,
    dc.root,
    mode.root,
    el("div", {class: "tail"}, transaction.root, stop.root),
  );
  return {
    root,
    update(evse) {
      setAttribute(root, "data-tone", status(evse.status).tone);
      setText(circuit, evse.circuit);
      setText(remarkLine, remark(evse));
      show(remarkLine, remarkLine.textContent !== "");
      setText(message, evse.message ?? "");
      show(message, Boolean(evse.message));
      parts.forEach((part) => part.update(evse));
    },
  };
}

export function evseSection() {
  const update = keyedList(byId("evse-list"), (evse) => evse.id, card);
  return (site) => {
    show(byId("evses-empty"), site.evses.length === 0);
    update(site.evses);
  };
}
