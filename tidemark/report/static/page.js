/* Unpack the numbers, draw every part, and draw again when theme or width change. */
(async () => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const unpack = async (text) => {
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Float32Array(await new Response(stream).arrayBuffer());
  };
  const numbers = await unpack(document.getElementById("block").textContent);
  const column = (place) => (place ? numbers.subarray(place[0], place[0] + place[1]) : undefined);

  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const button = document.getElementById("theme");
  const setTheme = (name) => {
    root.dataset.theme = name;
    button.textContent = name === "dark" ? "Light" : "Dark";
  };
  setTheme(dark.matches ? "dark" : "light");

  Tables.show(data);
  const look = (source, rule, lane, episode) => {
    if (source.id !== "computer") Explorer.look(rule.metrics, lane.about.host, episode.pending, episode.until);
    document.getElementById(source.id).scrollIntoView();
  };
  const draws = [Alerts.show(data, look)];
  draws.push(...data.sources.map((source) => (source.id === "computer" ? Cards.show(source, column) : Explorer.start(source, column))));
  const redraw = () => draws.forEach((draw) => draw());
  redraw();

  button.addEventListener("click", () => { setTheme(root.dataset.theme === "dark" ? "light" : "dark"); redraw(); });
  dark.addEventListener("change", () => { setTheme(dark.matches ? "dark" : "light"); redraw(); });
  let width = innerWidth, waiting = 0;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(redraw);
  });
  root.dataset.ready = "true";
})();
