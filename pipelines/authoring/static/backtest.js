"use strict";
/* The page of a backtest: figures, lanes of alerts under one axis of time, and a table of rules. */
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { element } = Format;
  const at = (id) => document.getElementById(id);
  const UNITS = [["d", 86400000], ["h", 3600000], ["m", 60000], ["s", 1000], ["ms", 1]];
  const duration = (ms) => {
    const parts = [];
    let rest = Math.round(ms);
    for (const [unit, size] of UNITS) {
      if (rest >= size && parts.length < 2) parts.push(`${Math.floor(rest / size)}${unit}`);
      rest %= size;
    }
    return parts.join(" ") || "0s";
  };
  const when = (ms) => Format.instant(ms, ms % 60000 !== 0);
  const percent = (share) => (share == null ? "–" : `${Math.round(100 * share)} %`);
  const span = Math.max(data.end - data.start, 1);
  const view = { from: data.start, to: data.start + span };
  const shown = new Set(data.rules.map((_, rule) => rule));

  /* Details of what the pointer or the focus is on. */
  const details = at("details");
  const tell = (target, title, labels, rows) => {
    const list = element("dl");
    for (const [name, text] of rows) if (text) list.append(element("dt", {}, name), element("dd", {}, text));
    details.replaceChildren(element("b", {}, title), element("div", { class: "muted" }, labels), list);
    details.hidden = false;
    const box = target.getBoundingClientRect(), own = details.getBoundingClientRect();
    const left = Math.min(Math.max(box.left, 8), innerWidth - own.width - 8);
    const below = box.bottom + 8;
    details.style.left = `${left}px`;
    details.style.top = `${below + own.height > innerHeight ? Math.max(box.top - own.height - 8, 8) : below}px`;
  };
  const hide = () => { details.hidden = true; };
  const telling = (made, ...what) => {
    for (const event of ["pointerenter", "focus", "click"]) made.addEventListener(event, () => tell(made, ...what));
    for (const event of ["pointerleave", "blur"]) made.addEventListener(event, hide);
    return made;
  };
  addEventListener("scroll", hide, { passive: true });

  /* Bars and windows of a lane. */
  const place = (from, to) => {
    const low = Math.max(from, view.from), high = Math.min(to, view.to), length = view.to - view.from;
    return high < low ? null : { left: `${(100 * (low - view.from)) / length}%`, width: `${(100 * (high - low)) / length}%` };
  };
  const bar = (lane, episode) => {
    const style = place(episode.pending, episode.until);
    if (!style) return [];
    const fires = episode.firing == null ? episode.until : episode.firing;
    const low = Math.max(episode.pending, view.from), high = Math.min(episode.until, view.to);
    const held = high > low ? (100 * Math.min(Math.max(fires - low, 0), high - low)) / (high - low) : episode.firing == null ? 100 : 0;
    const made = element("button", { type: "button", class: episode.ended == null ? "bar open" : "bar", style: { ...style, "--held": `${held}%` } });
    made.setAttribute("aria-label", `${data.rules[lane.rule].name} ${lane.labels}, ${when(episode.pending)}`);
    return [telling(made, data.rules[lane.rule].name, lane.labels, [
      ["summary", episode.summary],
      ["pending", when(episode.pending)],
      ["firing", episode.firing == null ? "never" : when(episode.firing)],
      ["resolved", episode.ended == null ? "still active at the end" : when(episode.ended)],
      ["fired for", episode.firing == null ? "" : duration(episode.until - episode.firing)],
      ["peak", episode.peak == null ? "" : String(episode.peak)],
      ["because", episode.reason],
    ])];
  };
  const window_ = (title, [from, to]) => {
    const style = place(from, to);
    return style ? [telling(element("div", { class: "window", style }), "Labelled window", title, [["from", when(from)], ["to", when(to)], ["length", duration(to - from)]])] : [];
  };
  const track = (lane) => element(
    "div", { class: "track" },
    ...(lane.windows || []).flatMap((each) => window_(each.title, each.span)),
    ...(lane.episodes || []).flatMap((each) => bar(lane, each)),
  );
  const row = (lane) => element("div", { class: "lane" }, element("div", { class: "name", title: lane.labels }, lane.name || "(no labels)"), track(lane));
  const fired = (lane) => lane.episodes.some((each) => each.firing != null);
  const draw = () => {
    hide();
    const pending = at("pending").checked;
    const lanes = data.lanes.filter((lane) => shown.has(lane.rule) && (pending || fired(lane)));
    const parts = [];
    data.rules.forEach((rule, number) => {
      const own = lanes.filter((lane) => lane.rule === number);
      if (own.length) parts.push(element("h3", { class: "rule" }, rule.name), ...own.map(row));
    });
    if (data.missed.length) parts.push(element("h3", { class: "rule" }, "Labelled, and no alert on the series"), ...data.missed.map(row));
    at("lanes").replaceChildren(...parts);
    at("none").hidden = parts.length > 0;
    const whole = view.from <= data.start && view.to >= data.start + span;
    at("whole").hidden = whole;
    at("showing").textContent = whole ? "Drag over the chart to look closer." : `${when(view.from)} to ${when(view.to)}`;
  };

  /* How many alerts fire at once; dragging over it chooses what the lanes show. */
  const counts = () => {
    const changes = new Map([[data.start, 0], [data.start + span, 0]]);
    const change = (time, by) => changes.set(time, (changes.get(time) || 0) + by);
    for (const lane of data.lanes) {
      if (!shown.has(lane.rule)) continue;
      for (const each of lane.episodes) {
        if (each.firing == null) continue;
        change(Math.max(each.firing, data.start), 1);
        if (each.ended != null) change(each.until, -1);
      }
    }
    const times = [...changes.keys()].sort((one, other) => one - other);
    let firing = 0;
    return [times.map((time) => time / 1000), times.map((time) => (firing += changes.get(time)))];
  };
  /* A label at the very edge would be cut. */
  const inside = (x, width) => x > 22 && x < width - 22;
  let plot = null;
  const chart = () => {
    if (plot) plot.destroy();
    const place_ = at("chart");
    plot = new uPlot({
      width: place_.clientWidth, height: 96, tzDate: Format.utc, legend: { show: false }, padding: [8, 0, 0, 0],
      scales: { x: { min: view.from / 1000, max: view.to / 1000 }, y: { range: (_, low, high) => [0, Math.max(high || 0, 1)] } },
      axes: [Format.axis({ space: 90, filter: (self, splits) => splits.map((split) => (inside(self.valToPos(split, "x"), place_.clientWidth) ? split : null)) }), { show: false }],
      cursor: { y: false, drag: { x: true, y: false, setScale: false } },
      series: [{}, { paths: uPlot.paths.stepped({ align: 1 }), stroke: Format.color("firing"), fill: `${Format.color("firing")}33`, width: 1, points: { show: false } }],
      hooks: {
        setSelect: [(self) => {
          if (self.select.width < 3) return;
          const from = 1000 * self.posToVal(self.select.left, "x"), to = 1000 * self.posToVal(self.select.left + self.select.width, "x");
          self.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
          look(Math.round(from), Math.round(to));
        }],
      },
    }, counts(), place_);
  };
  const redraw = () => { chart(); draw(); };
  const look = (from, to) => { view.from = from; view.to = Math.max(to, from + 1000); redraw(); };
  at("whole").addEventListener("click", () => look(data.start, data.start + span));
  at("pending").addEventListener("change", draw);
  at("pending-label").hidden = data.lanes.every(fired);

  /* Which rules to show. */
  data.rules.forEach((rule, number) => {
    if (!data.lanes.some((lane) => lane.rule === number)) return;
    const chip = element("button", { type: "button", "aria-pressed": "true", style: { "--swatch": "var(--firing)" } }, rule.name);
    chip.addEventListener("click", () => {
      if (shown.has(number)) shown.delete(number); else shown.add(number);
      chip.setAttribute("aria-pressed", String(shown.has(number)));
      redraw();
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
  const key = (color, text) => element("span", { class: "legend" }, element("i", { style: { background: `var(--${color})` } }), text);
  at("legend").append(key("pending", "pending"), key("firing", "firing"), ...(data.score ? [key("window", "labelled window")] : []));
  if (data.left_out) at("legend").append(`The ${data.lanes.length} alerts that fired longest; ${Format.whole(data.left_out)} more are in the command's own output.`);
  at("counting").textContent = data.score
    ? "A window is found if an alert on its series fires at an instant in it; a false alarm is an episode that fires in no window of the series it is about."
    : "An episode is one alert from its first pending instant until it is active no longer.";
  const columns = [
    ["Rule", (rule) => rule.name], ["Fired", (rule) => rule.fired || "never"], ["Alerts", (rule) => rule.alerts],
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
