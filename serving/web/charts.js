// Small charts: a curve, and a mean with its interval. The tables beside them say the same to whoever listens.

import { s } from "./dom.js";
import { number, t } from "./words.js";

const WIDTH = 320, HEIGHT = 130, LEFT = 44, BOTTOM = 20;

/** A curve by epoch, its best value marked. */
export function curve(name, values, best) {
  const low = Math.min(...values), high = Math.max(...values), span = high - low || 1;
  const x = (place) => LEFT + (place / Math.max(1, values.length - 1)) * (WIDTH - LEFT - 10);
  const y = (value) => 8 + (1 - (value - low) / span) * (HEIGHT - BOTTOM - 14);
  const digits = span < 1 ? 3 : 1;
  const label = t("chart.curve", { name, count: values.length, first: number(values[0], digits), last: number(values.at(-1), digits) });
  const place = values.indexOf(best === "most" ? high : low);
  return s(
    "svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label },
    s("path", { class: "axis", d: `M${LEFT} 4V${HEIGHT - BOTTOM}H${WIDTH - 4}` }),
    s("text", { x: LEFT - 4, y: y(high) + 4, "text-anchor": "end" }, number(high, digits)),
    s("text", { x: LEFT - 4, y: y(low) + 4, "text-anchor": "end" }, number(low, digits)),
    s("text", { x: LEFT, y: HEIGHT - 5, "text-anchor": "middle" }, "1"),
    s("text", { x: WIDTH - 10, y: HEIGHT - 5, "text-anchor": "middle" }, String(values.length)),
    s("polyline", { points: values.map((value, at) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join(" ") }),
    s("circle", { cx: x(place), cy: y(values[place]), r: 4 }),
  );
}

/** A mean and its 95 % interval on an axis from `least` to `most`. */
export function interval({ mean, low, high }, least, most) {
  const x = (value) => 4 + ((value - least) / (most - least || 1)) * 152;
  return s(
    "svg", { class: "interval", viewBox: "0 0 160 16", "aria-hidden": "true" },
    s("line", { class: "axis", x1: 4, x2: 156, y1: 8, y2: 8 }),
    low === undefined || low === null ? null : s("line", { x1: x(low), x2: x(high), y1: 8, y2: 8, "stroke-width": 5 }),
    s("circle", { cx: x(mean), cy: 8, r: 4 }),
  );
}
