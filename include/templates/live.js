// Shows anew what the server says, in place, unless somebody is at work on the page.
const main = document.querySelector("main[data-seconds]");
if (main) setInterval(async () => {
  const here = document.querySelector("main");
  if (document.hidden || here.contains(document.activeElement) || here.querySelector(":checked:not([checked])")) return;
  const answer = await fetch(location.href).catch(() => null);
  if (!answer || !answer.ok) return;
  const shown = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
  if (shown) here.replaceWith(shown);
}, 1000 * main.dataset.seconds);
