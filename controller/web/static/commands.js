// Commands to the box, and a word on what became of them.

import {byId, setText} from "./dom.js";

const WORDS = {
  done: "Done.",
  scheduled: "Accepted: happens when the running transaction has ended.",
  refused: "Refused.",
  unknown: "It is no longer there.",
  failed: "Accepted, but a device did not do it.",
};

let fading;

export function notify(text, tone) {
  const notice = byId("notice");
  notice.dataset.tone = tone;
  setText(notice, text);
  clearTimeout(fading);
  fading = setTimeout(() => setText(notice, ""), 10_000);
}

async function request(method, path, body) {
  const answer = await fetch(path, {
    method,
    headers: {"content-type": "application/json"},
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(20_000),
  });
  const said = await answer.json();
  const text = said.error || said.text || WORDS[said.result] || `The box answered ${answer.status}.`;
  return {good: answer.ok, text};
}

export const command = (name, body, saying) => send("POST", `/api/commands/${name}`, body, saying);

// `done` is what to say when the box agreed and had nothing to add.
export async function send(method, path, body, {button, done}) {
  button.disabled = true;
  try {
    const {good, text} = await request(method, path, body);
    notify(good && text === WORDS.done ? done : text, good ? "good" : "bad");
    return good;
  } catch {
    notify("The box did not answer. Look at the charger before you try again.", "bad");
    return false;
  } finally {
    button.disabled = false;
  }
}

// What was typed to confirm it, or null.
export function confirmTyped(title, text, yes) {
  const dialog = byId("typed");
  const input = byId("typed-words");
  setText(byId("typed-title"), title);
  setText(byId("typed-text"), text);
  setText(dialog.querySelector("[value=yes]"), yes);
  input.value = "";
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes" ? input.value : null), {once: true});
  });
}

// `no` and `yes` are the words on the two buttons.
export function confirmStop(title, text, {no = "Keep charging", yes = "Stop charging"} = {}) {
  const dialog = byId("confirm");
  setText(dialog.querySelector("[value=no]"), no);
  setText(dialog.querySelector("[value=yes]"), yes);
  setText(byId("confirm-title"), title);
  setText(byId("confirm-text"), text);
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), {once: true});
  });
}
