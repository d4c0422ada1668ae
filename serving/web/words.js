// What the page says, in the language that was chosen: en.json and zh.json have the same keys.

const LANGUAGES = ["en", "zh"];
let words = {};
export let language = "en";

function preferred() {
  const said = localStorage.getItem("zhijian.language");
  if (LANGUAGES.includes(said)) return said;
  return navigator.language.startsWith("zh") ? "zh" : "en";
}

/** The words of a key, with the values of its {places}. */
export function t(key, values = {}) {
  return (words[key] ?? key).replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place);
}

/** Whether there are words for a key. */
export const has = (key) => key in words;

/** A number as people of the language write it. */
export function number(value, digits = 0) {
  return value === null || value === undefined ? "–" : value.toLocaleString(language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** A moment as people of the language write it. */
export function moment(text) {
  return new Date(text).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });
}

/** Load the words, and put them where index.html wants some. */
export async function speak(chosen = preferred()) {
  words = await (await fetch(`/web/${chosen}.json`)).json();
  language = chosen;
  localStorage.setItem("zhijian.language", chosen);
  document.documentElement.lang = chosen === "zh" ? "zh-CN" : "en";
  for (const each of document.querySelectorAll("[data-t]")) each.textContent = t(each.dataset.t);
  for (const each of document.querySelectorAll("[data-t-label]")) each.setAttribute("aria-label", t(each.dataset.tLabel));
  for (const each of document.querySelectorAll("[data-t-hint]")) each.placeholder = t(each.dataset.tHint);
}

/** The language that is not in force. */
export const other = () => LANGUAGES.find((each) => each !== language);
