import {attentionSections} from "./attention.js";
import {circuitSection} from "./circuits.js";
import {byId} from "./dom.js";
import {equipmentSections} from "./equipment.js";
import {evseSection} from "./evses.js";
import {findSection} from "./find.js";
import {limitSection} from "./limits.js";
import {openLink} from "./link.js";
import {modeDialog} from "./modes.js";
import {overviewSections} from "./overview.js";

const sections = [attentionSections(), overviewSections(), evseSection(), circuitSection(), limitSection(), equipmentSections(), findSection()];

modeDialog();

openLink((site) => {
  sections.forEach((update) => update(site));
  byId("main").setAttribute("aria-busy", "false");
});
