// The theme, the contents on small screens, and the search box. The pages read well without any of it.
const root = document.body.dataset.root;
document.getElementById("theme").onclick = () => {
  const now = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = now;
  localStorage.setItem("theme", now);
};
const menu = document.getElementById("menu");
menu.onclick = () => menu.setAttribute("aria-expanded", document.getElementById("contents").classList.toggle("open"));
document.querySelector('.contents [aria-current="page"]')?.scrollIntoView({ block: "center" });
window.scrollTo(0, location.hash ? window.scrollY : 0);

const box = document.getElementById("search"), list = document.getElementById("found");
let loading;
function load() { // the index is a script, so that it also loads from a folder on disk
  loading ??= new Promise(done => {
    const script = document.createElement("script");
    script.src = root + "search.js";
    script.onload = done;
    document.head.append(script);
  });
  return loading;
}
function score(words, [url, title, group, heads, text]) {
  const name = title.toLowerCase(), low = text.toLowerCase();
  let total = 0, best = null;
  for (const word of words) {
    const head = heads.find(([h]) => h.toLowerCase() === word) || heads.find(([h]) => h.toLowerCase().includes(word));
    const points = (name === word ? 20 : name.includes(word) ? 9 : 0) + (head ? (head[0].toLowerCase() === word ? 14 : 5) : 0) + (low.includes(word) ? 2 : 0);
    if (!points) return null;
    if (head && !name.includes(word)) best ??= head;
    total += points;
  }
  return { total, url: root + url + (best ? "#" + best[1] : ""), title, part: best ? best[0] : group };
}
async function search() {
  await load();
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = words.length ? window.SEARCH.map(o => score(words, o)).filter(Boolean).sort((a, b) => b.total - a.total).slice(0, 12) : [];
  list.replaceChildren(...rows.map(o => {
    const line = document.createElement("li"), link = document.createElement("a"), part = document.createElement("span");
    link.href = o.url; link.textContent = o.title; part.textContent = o.part;
    link.append(part); line.append(link);
    return line;
  }));
  if (words.length && !rows.length) { const line = document.createElement("li"); line.textContent = "Nothing found."; list.append(line); }
  list.hidden = !words.length;
}
box.onfocus = load;
box.oninput = search;
box.onkeydown = e => {
  if (e.key === "Escape") { box.value = ""; list.hidden = true; }
  if (e.key === "Enter") list.querySelector("a")?.click();
  if (e.key === "ArrowDown") { e.preventDefault(); list.querySelector("a")?.focus(); }
};
list.onkeydown = e => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
  if (!step) return;
  e.preventDefault();
  const links = [...list.querySelectorAll("a")];
  (links[links.indexOf(document.activeElement) + step] || box).focus();
};
document.addEventListener("click", e => { if (!e.target.closest(".search")) list.hidden = true; });
document.addEventListener("keydown", e => { if (e.key === "/" && !/INPUT|TEXTAREA/.test(document.activeElement.tagName)) { e.preventDefault(); box.focus(); } });
