// The knowledge paths that lead to an item, drawn: names in boxes, layer after layer, and the facts between them.

import { s } from "./dom.js";
import { has, t } from "./words.js";

const BOX = { height: 30, letter: 7.2 };

/** The names along a path; each edge is gone through from the end that the one before it leads to. */
function walk({ source, edges }) {
  return edges.reduce((names, { head, tail }) => [...names, head === names.at(-1) ? tail : head], [source]);
}

const cut = (text, most) => ([...text].length <= most ? text : `${[...text].slice(0, most - 1).join("")}…`);

/** The layers of all paths: what they start from, what is between, and the item, which all have in common. */
function layers(paths) {
  const last = Math.max(...paths.map(({ edges }) => edges.length));
  const found = Array.from({ length: last + 1 }, () => []);
  const lines = [];
  for (const path of paths) {
    const names = walk(path), spots = names.map((name, place) => [place === names.length - 1 ? last : place, name]);
    for (const [layer, name] of spots) if (!found[layer].includes(name)) found[layer].push(name);
    path.edges.forEach((edge, place) => lines.push({ edge, weight: path.weight, from: spots[place], to: spots[place + 1] }));
  }
  return { found, lines };
}

/** Places of the boxes: down the page where it is narrow, across it where it is wide. */
function plan(found, across) {
  const most = Math.max(...found.map((layer) => layer.length));
  const width = across ? 760 : 300, height = across ? Math.max(2, most) * 56 : found.length * 68 - 30;
  const size = across ? Math.min(170, width / found.length - 70) : width / most - 10;
  const place = (layer, row, count) => {
    const beside = (row + 0.5) / count;
    return across ? { x: size / 2 + 4 + (layer / (found.length - 1)) * (width - size - 8), y: beside * height } : { x: beside * width, y: 17 + layer * 68 };
  };
  const spots = new Map(found.flatMap((layer, depth) => layer.map((name, row) => [`${depth}|${name}`, place(depth, row, layer.length)])));
  return { width, height: height + 8, size, spots };
}

const relation = (name) => cut(has(`relation.${name}`) ? t(`relation.${name}`) : name, 16);

function line({ edge, weight, from, to }, { spots, size }, across, heaviest) {
  const start = spots.get(from.join("|")), end = spots.get(to.join("|"));
  const [x1, y1, x2, y2] = across ? [start.x + size / 2, start.y, end.x - size / 2, end.y] : [start.x, start.y + BOX.height / 2, end.x, end.y - BOX.height / 2];
  const label = edge.head === from[1] ? `${relation(edge.relation)} ${across ? "→" : "↓"}` : `${across ? "←" : "↑"} ${relation(edge.relation)}`;
  const at = across ? { x: x1 + 0.5 * (x2 - x1), y: y1 + 0.5 * (y2 - y1) - 5, "text-anchor": "middle" } : { x: (x1 + x2) / 2 + 8, y: (y1 + y2) / 2 + 4 };
  return s(
    "g", { class: "fact" }, s("title", {}, `${edge.head} – ${edge.relation} – ${edge.tail}`),
    s("line", { x1, y1, x2, y2, "stroke-width": 1 + 2 * (weight / heaviest) }), s("text", at, label),
  );
}

function box(depth, name, { x, y }, size, last) {
  return s(
    "g", { class: depth === last ? "goal" : depth === 0 ? "source" : "between" }, s("title", {}, name),
    s("rect", { x: x - size / 2, y: y - BOX.height / 2, width: size, height: BOX.height, rx: 8 }),
    s("text", { x, y: y + 4.5, "text-anchor": "middle" }, cut(name, Math.floor(size / BOX.letter) - 1)),
  );
}

/** The same in words, for whoever listens. */
export function said(paths) {
  return paths.map(({ edges }) => edges.map(({ head, relation, tail }) => `${head} ${relation} ${tail}`).join(", ")).join("; ");
}

/** Draw the paths to an item; null where there are none. */
export function drawing(title, paths, across) {
  if (!paths.length) return null;
  const { found, lines } = layers(paths), laid = plan(found, across), last = found.length - 1;
  const heaviest = Math.max(...paths.map(({ weight }) => weight)) || 1;
  const boxes = [...laid.spots].map(([spot, where]) => {
    const bar = spot.indexOf("|");
    return box(Number(spot.slice(0, bar)), spot.slice(bar + 1), where, laid.size, last);
  });
  return s(
    "svg", { class: "path", viewBox: `0 0 ${laid.width} ${laid.height}`, role: "img", "aria-label": `${t("path.label", { title })}: ${said(paths)}` },
    lines.map((each) => line(each, laid, across, heaviest)), boxes,
  );
}
