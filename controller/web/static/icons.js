const SVG = "http://www.w3.org/2000/svg";

const SHAPES = {
  ring: "M8 3a5 5 0 1 0 0 10A5 5 0 0 0 8 3m0 2a3 3 0 1 1 0 6 3 3 0 0 1 0-6",
  half: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2m0 2v8a4 4 0 0 1 0-8",
  bolt: "M9.2 1 3 9.2h4L6.4 15 13 6.6H8.7z",
  pause: "M4 3h3v10H4zm5 0h3v10H9z",
  bar: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2m-3 5h6v2H5z",
  warn: "M8 1.5 15 14H1zM7.2 6v4h1.6V6zm0 5v1.6h1.6V11z",
  check: "M6.4 12.6 2 8.2l1.6-1.6 2.8 2.8 6-6L14 5z",
};

export function icon() {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("fill-rule", "evenodd");
  svg.append(path);
  return svg;
}

export function setShape(svg, shape) {
  svg.firstChild.setAttribute("d", SHAPES[shape] ?? SHAPES.ring);
}
