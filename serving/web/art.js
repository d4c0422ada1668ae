// Artwork where there are no images: drawn from title and categories alone, so the same item looks the same everywhere.

import { s } from "./dom.js";

const WIDTH = 300, HEIGHT = 180;
let drawn = 0; // gradients need names of their own on a page

/** A stream of numbers in [0, 1) that a text decides (FNV-1a, then xorshift). */
function draws(text) {
  let state = 2166136261;
  for (const letter of text) state = Math.imul(state ^ letter.codePointAt(0), 16777619);
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

const colour = (hue, saturation, light, alpha = 1) => `hsl(${Math.round(hue) % 360} ${saturation}% ${light}% / ${alpha})`;

function hills(next, hue) {
  return [0, 1, 2].map((row) => {
    const base = 95 + row * 28, lift = () => base - 10 - next() * 40;
    const path = `M0 ${HEIGHT} V${base} C60 ${lift()} 100 ${lift()} 150 ${base} S250 ${lift()} 300 ${base - next() * 24} V${HEIGHT} Z`;
    return s("path", { d: path, fill: colour(hue + row * 14, 46, 40 - row * 9, 0.9) });
  });
}

function rings(next, hue) {
  const x = 60 + next() * 180, y = 40 + next() * 100;
  return [150, 118, 88, 60, 34].map((r, row) => s("circle", { cx: x, cy: y, r, fill: colour(hue + row * 16, 58, 36 + row * 8, 0.75) }));
}

function panes(next, hue) {
  return Array.from({ length: 15 }, (_, place) => {
    const [x, y] = [(place % 5) * 60, Math.floor(place / 5) * 60];
    const corner = [`M${x} ${y}h60v60z`, `M${x} ${y}v60h60z`, `M${x} ${y + 60}h60v-60z`, `M${x} ${y}h60l-60 60z`][Math.floor(next() * 4)];
    return s("path", { d: corner, fill: colour(hue + next() * 60, 52, 34 + next() * 30, 0.8) });
  });
}

function waves(next, hue) {
  return Array.from({ length: 6 }, (_, row) => {
    const y = 24 + row * 27, bend = 10 + next() * 22;
    const path = `M-10 ${y} q40 ${-bend} 80 0 t80 0 t80 0 t80 0`;
    return s("path", { d: path, fill: "none", "stroke-width": 6 + next() * 12, "stroke-linecap": "round", stroke: colour(hue + row * 12, 56, 42 + row * 5, 0.7) });
  });
}

function moons(next, hue) {
  return Array.from({ length: 7 }, (_, place) =>
    s("circle", { cx: next() * WIDTH, cy: next() * HEIGHT, r: 16 + next() * 50, fill: colour(hue + place * 22, 60, 44 + next() * 20, 0.55) }));
}

const KINDS = [hills, rings, panes, waves, moons];

/** Draw an item: its first category decides the colour and the kind of drawing, its title the rest. */
export function artwork(title, categories = []) {
  const kind = draws(categories[0] ?? title), next = draws(`${title}|${categories.join("|")}`);
  const hue = kind() * 360 + next() * 80, second = categories.length > 1 ? draws(categories[1])() * 360 : hue + 50;
  const name = `art-${(drawn += 1)}`;
  const stop = (offset, fill) => s("stop", { offset, "stop-color": fill });
  return s(
    "svg", { class: "art", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "xMidYMid slice", "aria-hidden": "true" },
    s("defs", {}, s("linearGradient", { id: name, x1: 0, y1: 0, x2: next(), y2: 1 }, stop(0, colour(hue, 48, 30)), stop(1, colour(second, 52, 52)))),
    s("rect", { width: WIDTH, height: HEIGHT, fill: `url(#${name})` }),
    KINDS[Math.floor(kind() * KINDS.length)](next, hue),
    s("text", { x: 20, y: HEIGHT - 22, class: "initial" }, [...title.replace(/^(the|a|an) /i, "")][0] ?? "?"),
  );
}
