// The line to the box: how fresh is what the page shows?

import {byId, setText, show} from "./dom.js";

const QUIET_S = 5;
const STALE_S = 5;

function verdict({heardS, ageS}) {
  if (heardS === null) {
    return {state: "connecting", text: "Connecting …", alarm: ""};
  }
  if (heardS > QUIET_S) {
    const since = `last update ${Math.floor(heardS)} s ago`;
    return {state: "lost", text: since, alarm: "Connection to the box lost. The values below are old and say nothing about now."};
  }
  if (ageS > STALE_S) {
    return {state: "stale", text: `controller silent for ${Math.floor(ageS)} s`, alarm: "The box answers, but its control has not completed a cycle. The values below are old."};
  }
  return {state: "live", text: "Live", alarm: ""};
}

export function openLink(onSite) {
  let heard = null;
  let stamp = null;
  let source = null;

  function render() {
    const now = performance.now();
    const since = (at) => (at === null ? null : (now - at) / 1000);
    const {state, text, alarm} = verdict({heardS: since(heard), ageS: since(stamp)});
    byId("link").dataset.state = state;
    document.body.dataset.link = state;
    setText(byId("link-text"), text);
    setText(byId("lost"), alarm);
    show(byId("lost"), alarm !== "");
  }

  function connect() {
    source = new EventSource("/api/events");
    source.addEventListener("site", (event) => {
      heard = performance.now();
      stamp = heard;
      onSite(JSON.parse(event.data));
      render();
    });
    source.addEventListener("beat", (event) => {
      heard = performance.now();
      stamp = heard - JSON.parse(event.data).age_s * 1000;
      render();
    });
    // A refusal (too many pages, a restart behind a proxy) ends an EventSource for good.
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) {
        setTimeout(connect, 4000);
      }
    });
  }

  connect();
  setInterval(render, 1000);
}
