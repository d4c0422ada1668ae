// The frame: which view is shown, in which language and in which light.

import { h, tell } from "./dom.js";
import { get } from "./api.js";
import * as find from "./find.js";
import * as home from "./home.js";
import * as item from "./item.js";
import * as model from "./model.js";
import * as talk from "./talk.js";
import * as you from "./you.js";
import { other, speak, t } from "./words.js";

const main = document.querySelector("#main");
const search = document.querySelector(".seek");
let turn = 0;

/** The view that an address names: its name, and how to make it. */
function named() {
  const [name, rest = ""] = location.hash.replace(/^#\/?/, "").split(/\/(.*)/s);
  const said = decodeURIComponent(rest);
  if (name === "talk") return ["talk", talk.view];
  if (name === "model") return ["model", model.view];
  if (name === "you") return ["you", you.view];
  if (name === "item" && said) return ["item", () => item.view(said)];
  if (name === "search" && said) return ["search", () => find.view(said)];
  return you.user() ? ["home", home.view] : ["you", you.view];
}

/** Show the view of the address; the focus goes to its heading, unless the page was just opened. */
async function show({ focus = true } = {}) {
  const mine = (turn += 1);
  const [name, make] = named();
  if (!you.user()) home.forget(); // who was forgotten finds no list either
  frame(name);
  main.setAttribute("aria-busy", "true");
  let view;
  try {
    view = await make();
  } catch (error) {
    view = h("section", {}, h("h1", { tabindex: -1 }, t("error.title")), h("p", { class: "wrong" }, error.message), h("button", { type: "button", class: "main", onclick: () => show() }, t("error.again")));
  }
  if (mine !== turn) return; // another view was asked for meanwhile
  main.replaceChildren(view);
  main.removeAttribute("aria-busy");
  const heading = main.querySelector("h1");
  document.title = `${heading.textContent} – Zhijian 知荐`;
  if (focus) {
    heading.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
}

function frame(name) {
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const who = document.querySelector(".who");
  who.textContent = you.user() ?? t("you.nobody");
  who.setAttribute("aria-label", you.user() ? t("you.change", { name: you.user() }) : t("you.nobody"));
  const language = document.querySelector(".language");
  language.textContent = t("language.short");
  language.setAttribute("aria-label", t("language.label"));
  language.lang = other() === "zh" ? "zh-CN" : "en";
  const dark = darkness();
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  document.querySelector(".theme").setAttribute("aria-label", t(dark ? "theme.light" : "theme.dark"));
}

function darkness() {
  const said = localStorage.getItem("zhijian.theme");
  return said ? said === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

document.querySelector(".theme").addEventListener("click", () => {
  localStorage.setItem("zhijian.theme", darkness() ? "light" : "dark");
  frame(named()[0]);
  tell(t(darkness() ? "theme.isDark" : "theme.isLight"));
});
document.querySelector(".language").addEventListener("click", async () => {
  await speak(other());
  await show({ focus: false });
  tell(t("language.is"));
});
search.addEventListener("submit", (event) => {
  event.preventDefault();
  const query = search.elements.query.value.trim();
  if (query) location.hash = `#/search/${encodeURIComponent(query)}`;
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address is the view's
  main.focus();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => frame(named()[0]));
addEventListener("hashchange", () => show());

await speak();
await show({ focus: false });
get("/models").then(({ served }) => { document.querySelector(".bundle").textContent = t("footer.bundle", { bundle: served.bundle.slice(0, 12) }); }, () => {});
