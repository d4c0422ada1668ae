// What is served: how good it is and for whom, why the gate let it pass, how it learned, from which data, and what served before.

import { h, table } from "./dom.js";
import { get } from "./api.js";
import { curve, interval } from "./charts.js";
import { has, moment, number, t } from "./words.js";

const SHOWN = ["NDCG", "HR", "MRR", "Recall"];
const FOUR = 4;

const short = (id) => h("code", { title: id }, id.slice(0, 12));
const named = (kind, name) => (has(`${kind}.${name}`) ? t(`${kind}.${name}`) : name.replaceAll("_", " "));

function spread({ mean, low, high }) {
  return low === undefined || low === null ? number(mean, FOUR) : `${number(mean, FOUR)} [${number(low, FOUR)}, ${number(high, FOUR)}]`;
}

export async function view() {
  const [{ served, refused }, papers] = await Promise.all([get("/models"), get("/models/papers")]);
  const missing = (key) => h("p", { class: "facts" }, t(key));
  const { metrics, gate } = papers;
  return h(
    "section", { class: "model" },
    h("h1", { tabindex: -1 }, t("model.title")),
    h("p", { class: "lead" }, t("model.lead", { items: number(served.items), users: number(served.users) })),
    h("dl", { class: "panel figures" },
      figure("model.bundle", short(served.bundle)), figure("model.since", moment(served.since)),
      figure("model.number", served.number ?? "–"), figure("model.verdict", gate ? verdict(gate.passed) : "–")),
    refused && h("p", { class: "wrong panel" }, t("model.refused", { bundle: refused.bundle, reason: refused.reason })),
    part("model.metrics", metrics ? [h("p", {}, t("model.metricsLead", { users: number(metrics.data.test_users), k: metrics.k })), models(metrics)] : missing("model.nometrics")),
    part("model.slices", metrics ? [h("p", {}, t("model.slicesLead")), slices(metrics)] : missing("model.nometrics")),
    part("model.gate", gate ? [h("p", {}, t("model.gateLead")), criteria(gate)] : missing("model.nogate")),
    part("model.curves", curves(papers.curves)),
    part("model.data", data(papers)),
    part("model.history", papers.champions.length ? champions(papers.champions) : missing("model.nochampion")),
  );
}

const figure = (key, value) => h("div", {}, h("dt", {}, t(key)), h("dd", {}, value));
const part = (key, content) => h("section", { class: "panel", id: key.replace(".", "-") }, h("h2", {}, t(key)), content);
const verdict = (passed) => h("span", { class: passed ? "good" : "bad" }, t(passed ? "model.passed" : "model.refusedWord"));

/** One row per model, best first. */
function models({ models: found, k }) {
  const first = `NDCG@${k}`;
  const columns = Object.keys(found.hybrid).filter((name) => SHOWN.includes(name.split("@")[0]) && name.endsWith(`@${k}`));
  const order = Object.keys(found).sort((one, two) => found[two][first].mean - found[one][first].mean);
  const most = Math.max(...order.map((name) => found[name][first].high ?? found[name][first].mean));
  const row = (name) => [name === "hybrid" ? h("strong", {}, named("name", name)) : named("name", name), interval(found[name][first], 0, most), ...columns.map((column) => spread(found[name][column]))];
  return table(t("model.metrics"), [t("model.model"), first, ...columns], order.map(row));
}

function slices({ slices: found, k }) {
  const shown = found.filter(({ users }) => users > 0), [hit, gain] = [`HR@${k}`, `NDCG@${k}`];
  const most = Math.max(...shown.map((each) => each[hit] ?? 0));
  const bar = (value) => h("meter", { min: 0, max: most, value: value ?? 0, "aria-hidden": "true" });
  const row = (each) => [`${named("slice", each.slice)}: ${named("value", each.value)}`, number(each.users), bar(each[hit]), number(each[hit], FOUR), number(each[gain], FOUR)];
  return table(t("model.slices"), [t("model.slice"), t("model.users"), t("model.share"), hit, gain], shown.map(row));
}

function criteria({ criteria: found }) {
  const row = (each) => [named("name", each.name), verdict(each.passed), spread({ mean: each.value, low: each.low, high: each.high }), number(each.bound, FOUR), each.reason];
  return table(t("model.gate"), [t("model.criterion"), t("model.verdict"), t("model.value"), t("model.bound"), t("model.reason")], found.map(row));
}

function curves(found) {
  const drawn = Object.entries(found).flatMap(([name, rows]) => {
    const scores = rows.map(({ score }) => score).filter((score) => score !== undefined);
    const one = (kind, values, best) => h("figure", {}, h("figcaption", {}, `${named("name", name)}: ${t(`model.${kind}`)}`), curve(`${named("name", name)}: ${t(`model.${kind}`)}`, values, best));
    return [one("loss", rows.map(({ loss }) => loss), "least"), ...(scores.length ? [one("score", scores, "most")] : [])];
  });
  return drawn.length ? h("div", { class: "charts" }, drawn) : h("p", { class: "facts" }, t("model.nocurves"));
}

function data({ validation, docs }) {
  const row = ([name, { rows, kept, quarantined, checks }]) => [named("table", name), number(rows), number(kept), number(quarantined), number(checks.length), number(checks.filter(({ failed }) => failed).length)];
  const head = ["model.table", "model.rows", "model.kept", "model.quarantined", "model.checks", "model.failed"].map((key) => t(key));
  return [
    validation ? table(t("model.data"), head, Object.entries(validation).map(row)) : h("p", { class: "facts" }, t("model.novalidation")),
    docs && h("p", {}, h("a", { href: "/data-docs/index.html" }, t("model.docs"))),
  ];
}

function champions(found) {
  const row = (each) => [String(each.number), moment(each.since), named("how", each.how), short(each.bundle), each.previous ? short(each.previous) : "–"];
  return table(t("model.history"), ["#", t("model.since"), t("model.how"), t("model.bundle"), t("model.previous")], found.map(row));
}
