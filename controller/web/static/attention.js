// What wants somebody now: alarms, and cards that could be meant for several chargers.

import {command} from "./commands.js";
import {byId, el, keyedList, setText, show} from "./dom.js";
import {icon, setShape} from "./icons.js";

function alarm(text) {
  const shape = icon();
  setShape(shape, "warn");
  return {root: el("li", {}, shape, el("span", {}, text)), update() {}};
}

function choiceButton(choice, evse) {
  const button = el("button", {class: "button", type: "button"}, evse);
  button.setAttribute("aria-label", `Use card ${choice.token} at ${evse}`);
  button.addEventListener("click", () => command("choose", {choice: choice.choice, evse}, {button, done: `The card is for ${evse}.`}));
  return {root: button, update() {}};
}

function choice(first) {
  const left = el("span", {class: "where"});
  const buttons = el("div", {class: "actions"});
  const update = keyedList(buttons, (evse) => evse, (evse) => choiceButton(first, evse));
  const text = `Card ${first.token} was presented at ${first.reader}, and several plugged-in cars wait there.`;
  // The countdown changes every second: it is not for the live region.
  left.setAttribute("aria-live", "off");
  return {
    root: el("div", {class: "choice"}, el("p", {}, text, " ", left), buttons),
    update(now) {
      setText(left, `${now.seconds_left} s left`);
      update(now.evses);
    },
  };
}

// An alarm's text is its identity; the same text twice is one alarm.
const distinct = (texts) => [...new Set(texts)];

export function attentionSections() {
  const alarms = keyedList(byId("alarm-list"), (text) => text, alarm);
  const choices = keyedList(byId("choice-list"), (found) => found.choice, choice);
  return (site) => {
    show(byId("alarms"), site.alarms.length > 0);
    alarms(distinct(site.alarms));
    show(byId("choices"), site.choices.length > 0);
    choices(site.choices);
  };
}
