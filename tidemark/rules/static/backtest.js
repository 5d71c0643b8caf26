"use strict";
/* The page of a backtest: figures, lanes of alerts under one axis of time, and a table of rules. */
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { element } = Format;
  const at = (id) => document.getElementById(id);
  const { duration, when, key } = Timeline;
  const percent = (share) => (share == null ? "–" : `${Math.round(100 * share)} %`);
  const shown = new Set(data.rules.map((_, rule) => rule));

  const fired = (lane) => lane.episodes.some((each) => each.firing != null);
  const groups = () => {
    const pending = at("pending").checked;
    const lanes = data.lanes.filter((lane) => shown.has(lane.rule) && (pending || fired(lane)));
    const found = data.rules.map((rule, number) => [rule.name, lanes.filter((lane) => lane.rule === number)]);
    return [...found, ["Labelled, and no alert on the series", data.missed]].filter(([, own]) => own.length);
  };
  const detailed = (lane, episode) => [data.rules[lane.rule].name, lane.labels, [
    ["summary", episode.summary],
    ...Timeline.course(episode),
    ["peak", episode.peak == null ? "" : String(episode.peak)],
    ["because", episode.reason],
  ]];
  const timeline = Timeline.make({
    chart: at("chart"), lanes: at("lanes"), start: data.start, end: data.end, groups, detailed,
    counted: () => data.lanes.filter((lane) => shown.has(lane.rule)),
    changed: (view, whole) => {
      at("none").hidden = at("lanes").hasChildNodes();
      at("whole").hidden = whole;
      at("showing").textContent = whole ? "Drag over the chart to look closer." : `${when(view.from)} to ${when(view.to)}`;
    },
  });
  at("whole").addEventListener("click", timeline.whole);
  at("pending").addEventListener("change", timeline.drawLanes);
  at("pending-label").hidden = data.lanes.every(fired);

  /* Which rules to show. */
  data.rules.forEach((rule, number) => {
    if (!data.lanes.some((lane) => lane.rule === number)) return;
    const chip = element("button", { type: "button", "aria-pressed": "true", style: { "--swatch": "var(--firing)" } }, rule.name);
    chip.addEventListener("click", () => {
      if (shown.has(number)) shown.delete(number); else shown.add(number);
      chip.setAttribute("aria-pressed", String(shown.has(number)));
      timeline.draw();
    });
    at("filter").append(chip);
  });

  /* Figures and the table. */
  const figure = (value, label, kind = "") => element("div", { class: kind }, element("b", {}, value), element("span", {}, label));
  const sum = (key) => data.rules.reduce((total, rule) => total + rule[key], 0);
  const never = data.rules.filter((rule) => !rule.fired).length;
  at("figures").append(figure(Format.whole(sum("fired")), "episodes fired"), figure(Format.whole(sum("flaps")), `flaps within ${duration(data.flap)}`),
    figure(Format.whole(sum("still_firing")), "still firing at the end"), figure(`${never} of ${data.rules.length}`, "rules never fired"));
  if (data.score) {
    at("figures").append(figure(percent(data.score.recall), `recall: ${data.score.found} of ${data.score.windows} windows`, "good"),
      figure(Format.whole(data.score.false_alarms), `false alarms of ${data.score.episodes} episodes`, data.score.false_alarms ? "bad" : "good"));
  }
  at("range").textContent = `${when(data.start)} to ${when(data.end)}`;
  at("legend").append(key("pending", "pending"), key("firing", "firing"), ...(data.score ? [key("window", "labelled window")] : []));
  if (data.left_out) at("legend").append(`The ${data.lanes.length} alerts that fired longest; ${Format.whole(data.left_out)} more are in the command's own output.`);
  at("counting").textContent = data.score
    ? "A window is found if an alert on its series fires at an instant in it; a false alarm is an episode that fires in no window of the series it is about."
    : "An episode is one alert from its first pending instant until it is active no longer.";
  const columns = [
    ["Rule", (rule) => rule.name], ["Fired", (rule) => rule.fired || (rule.silent ? "no data" : "never")], ["Alerts", (rule) => rule.alerts],
    ["Firing in all", (rule) => (rule.fired ? duration(rule.firing_ms) : "")], ["Longest", (rule) => (rule.fired ? duration(rule.longest_ms) : "")],
    ["Median", (rule) => (rule.fired ? duration(rule.median_ms) : "")], ["Flaps", (rule) => rule.flaps], ["Still firing", (rule) => rule.still_firing],
    ["Pending only", (rule) => rule.pending_only],
    ...(data.score ? [
      ["Found", (rule) => `${rule.score.found} of ${rule.score.windows}`], ["False alarms", (rule) => rule.score.false_alarms],
      ["Precision", (rule) => percent(rule.score.precision)],
      ["Delay", (rule) => (rule.score.median_delay_ms == null ? "" : duration(rule.score.median_delay_ms))],
    ] : []),
  ];
  const cell = (name, text, column) => element(name, column ? { class: "number" } : {}, String(text));
  at("summary").append(
    element("thead", {}, element("tr", {}, ...columns.map(([title], column) => cell("th", title, column)))),
    element("tbody", {}, ...data.rules.map((rule) => element("tr", {}, ...columns.map(([, value], column) => cell("td", value(rule), column))))),
  );

  const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)"), button = at("theme");
  const setTheme = (name) => { root.dataset.theme = name; button.textContent = name === "dark" ? "Light" : "Dark"; };
  setTheme(dark.matches ? "dark" : "light");
  timeline.draw();
  button.addEventListener("click", () => { setTheme(root.dataset.theme === "dark" ? "light" : "dark"); timeline.draw(); });
  dark.addEventListener("change", () => { setTheme(dark.matches ? "dark" : "light"); timeline.draw(); });
  let width = innerWidth, waiting = 0;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(timeline.draw);
  });
  root.dataset.ready = "true";
})();
