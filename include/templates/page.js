// Times as they are where the reader is; without script they are UTC.
const zone = new Intl.DateTimeFormat().resolvedOptions().timeZone;
const local = new Intl.DateTimeFormat("sv-SE", {dateStyle: "short", timeStyle: "short"});
const localize = () => {
  for (const one of document.querySelectorAll("time:not([title])")) {
    one.title = one.textContent;
    one.textContent = local.format(new Date(one.dateTime));
  }
  const told = document.querySelector("#zone");
  if (told) told.textContent = `Times are those of ${zone}.`;
};
localize();
// Shows anew what the server says, in place, unless somebody is at work on the page.
const main = document.querySelector("main[data-seconds]");
if (main) setInterval(async () => {
  const here = document.querySelector("main");
  if (!here.dataset.seconds || document.hidden || here.contains(document.activeElement) || here.querySelector(":checked:not([checked])")) return;
  const answer = await fetch(location.href).catch(() => null);
  if (!answer || !answer.ok) return;
  const shown = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
  if (shown) here.replaceWith(shown);
  localize();
}, 1000 * main.dataset.seconds);
