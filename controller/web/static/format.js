export const PHASES = ["L1", "L2", "L3"];

const number = (value, digits) => value.toLocaleString("en", {minimumFractionDigits: digits, maximumFractionDigits: digits});

export const amperes = (ma) => `${number(ma / 1000, 1)} A`;

// Ratings are whole numbers nearly always.
export const rating = (ma) => `${number(ma / 1000, ma % 1000 === 0 ? 0 : 1)} A`;

export const power = (w) => (Math.abs(w) < 1000 ? `${number(w, 0)} W` : `${number(w / 1000, 1)} kW`);

export const energy = (wh) => `${number(wh / 1000, 2)} kWh`;

export function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1) {
    return `${Math.floor(seconds)} s`;
  }
  if (minutes < 60) {
    return `${minutes} min`;
  }
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export const plural = (count, one, many) => `${number(count, 0)} ${count === 1 ? one : many}`;

// [what a driver calls it, tone, shape]: the shape says the same as the colour.
const STATUS = {
  "available": ["Available", "idle", "ring"],
  "waiting": ["Waiting for plug", "ready", "half"],
  "plugged": ["Plugged in", "ready", "half"],
  "authorising": ["Checking card", "ready", "half"],
  "starting": ["Starting", "active", "bolt"],
  "charging": ["Charging", "active", "bolt"],
  "suspended-ev": ["Paused by the car", "held", "pause"],
  "suspended-evse": ["Paused by the site", "held", "pause"],
  "finishing": ["Finished", "ready", "half"],
  "unavailable": ["Out of service", "off", "bar"],
  "faulted": ["Fault", "bad", "warn"],
  "unreachable": ["Not reachable", "bad", "warn"],
};

export function status(name) {
  const [label, tone, shape] = STATUS[name] ?? [name, "idle", "ring"];
  return {label, tone, shape};
}

const OWN = {
  "": "All that this charger can give",
  "the EV takes no more": "The car takes no more",
  "fixed limit": "Limited to the chosen current",
};

const REASONS = {
  "no-session": () => "",
  "not-permitted": (where) => (where ? `Stopped by ${where}` : "Not released"),
  "own-maximum": (where) => OWN[where] ?? `Limited by ${where}`,
  "circuit": (where) => `Limited by ${where}`,
  "limit": (where) => `Limited by ${where}`,
  "waiting": (where) => (where === "surplus" ? "Waiting for surplus" : `Waiting for capacity at ${where}`),
  "surplus": () => "Takes only what the site would export",
  "thermal": (where) => `Paused: the breaker at ${where} was about to trip`,
  "raise-delay": () => "Rises in a few seconds",
  "watchdog-not-verified": () => "Held at 0 A: the charger has not confirmed its fail-safe current yet",
  "unreachable": () => "The charger does not answer",
  "overdraw": () => "Reduced: the car draws more than offered",
  "guard": (where) => `Held back by the independent guard ${where}`,
};

// The controller's reasons read "kind: where"; one that is not known here is shown as it came.
export function reason(text) {
  const [kind, ...rest] = text.split(": ");
  const words = REASONS[kind];
  return words ? words(rest.join(": ")).trim() : text;
}
