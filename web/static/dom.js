// Building the page from values. Everything becomes a text node or an attribute: no markup is ever parsed.

const SVG = "http://www.w3.org/2000/svg";
const ICONS = new URL("icons.svg", import.meta.url).pathname;

/** An element; `properties` may hold `class`, attributes, and `on` (event name to listener). null children are left out. */
export function h(name, properties = {}, ...children) {
  return fill(document.createElement(name), properties, children);
}

/** The same for SVG. */
export function s(name, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, name), properties, children);
}

function fill(element, { on = {}, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  for (const [event, listener] of Object.entries(on)) element.addEventListener(event, listener);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export const icon = (name) => s("svg", { class: "icon", "aria-hidden": "true" }, s("use", { href: `${ICONS}#${name}` }));

/** Words with an icon; `kind` is the icon's name and, as a class, the colour. */
export const state = (kind, words) => h("span", { class: `state ${kind === "unknown" ? "none" : kind}` }, icon(kind), words);

export const hash = (text) => h("code", {}, text);

export const hint = (...children) => h("p", { class: "hint" }, ...children);

/** A definition list of [term, ...content] rows; a row of null is left out. */
export function facts(...rows) {
  const items = rows.filter(Boolean).flatMap(([term, ...content]) => [h("dt", {}, term), h("dd", {}, ...content)]);
  return h("dl", { class: "facts" }, items);
}

export const when = (time) => h("time", { datetime: time, class: "nowrap" }, time.replace("T", " ").replace("Z", " UTC"));

/** An operator by the name it registered, else by its id. */
export const nameOf = (operator) => operator.name ?? `operator ${operator.id.slice(0, 12)}…`;

export const number = (count) => count.toLocaleString("en");

/** "1 word", "2 words". */
export const plural = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;

/** A share in words: never nothing for something, never all for less than all. */
export function share(permille) {
  if (permille <= 0) return "none";
  if (permille >= 1000) return "all";
  return `about ${Math.min(99, Math.max(1, Math.round(permille / 10)))} %`;
}

export const notice = (...children) => h("div", { class: "notice bad", role: "alert" }, ...children);
