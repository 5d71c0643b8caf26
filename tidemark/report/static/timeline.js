/* Episodes of alerts: a lane for each alert under one axis of time, and details of the one under the pointer or the focus. */
const Timeline = (() => {
  const { element } = Format;
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

  const details = document.body.appendChild(element("div", { id: "details", role: "status", hidden: "" }));
  const showDetails = (target, title, labels, rows) => {
    const list = element("dl");
    for (const [name, ...values] of rows) if (values[0]) list.append(element("dt", {}, name), element("dd", {}, ...values));
    details.replaceChildren(element("b", {}, title), element("div", { class: "muted" }, labels), list);
    details.hidden = false;
    const box = target.getBoundingClientRect(), own = details.getBoundingClientRect();
    const left = Math.min(Math.max(box.left, 8), innerWidth - own.width - 8);
    const below = box.bottom + 8;
    details.style.left = `${left}px`;
    details.style.top = `${below + own.height > innerHeight ? Math.max(box.top - own.height - 8, 8) : below}px`;
  };
  const hide = () => { details.hidden = true; };
  /* `content` returns title, labels, and rows of a name and texts or elements. */
  const withDetails = (made, content) => {
    for (const event of ["pointerenter", "focus", "click"]) made.addEventListener(event, () => showDetails(made, ...content()));
    for (const event of ["pointerleave", "blur"]) made.addEventListener(event, hide);
    return made;
  };
  addEventListener("scroll", hide, { passive: true });
  addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });

  /* The details of an episode on every page; pages add to them. */
  const course = (episode) => [
    ["pending", when(episode.pending)],
    ["firing", episode.firing == null ? "never" : when(episode.firing)],
    ["resolved", episode.ended == null ? "still active at the end" : when(episode.ended)],
    ["fired for", episode.firing == null ? "" : duration(episode.until - episode.firing)],
  ];
  const key = (color, text) => element("span", { class: "legend" }, element("i", { class: `of-${color}`, style: { "--swatch": `var(--${color})` } }), text);
  const label = (ms, length) => (length > 2 * 86400000 ? `${new Date(ms).toISOString().slice(5, 10)} ` : "") + Format.time(ms, length < 600000);
  /* A label at the very edge would be cut. */
  const inside = (x, width) => x > 22 && x < width - 22;

  /*
   * A timeline of the times from `start` to `end`, of elements `chart` and `lanes`.
   * groups: () => [[heading, lanes]] to show, none being empty; counted: () => lanes whose firing is counted in the chart;
   * detailed: (lane, episode) => its details; changed: (view, whole) after each drawing.
   */
  const make = ({ chart, lanes, start, end, groups, counted, detailed, changed }) => {
    const span = Math.max(end - start, 1);
    const view = { from: start, to: start + span };
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
      const [title, labels] = detailed(lane, episode);
      const fired = episode.firing == null ? "never fired" : `fired ${when(episode.firing)} for ${duration(episode.until - episode.firing)}`;
      made.setAttribute("aria-label", `${title} ${labels}, pending ${when(episode.pending)}, ${fired}`);
      return [withDetails(made, () => detailed(lane, episode))];
    };
    const window_ = (title, [from, to]) => {
      const style = place(from, to);
      if (!style) return [];
      const rows = [["from", when(from)], ["to", when(to)], ["length", duration(to - from)]];
      return [withDetails(element("div", { class: "window", style }), () => ["Labelled window", title, rows])];
    };
    const track = (lane) => element(
      "div", { class: "track" },
      ...(lane.windows || []).flatMap((each) => window_(each.title, each.span)),
      ...(lane.episodes || []).flatMap((each) => bar(lane, each)),
    );
    const row = (lane) => element("div", { class: "lane" }, element("div", { class: "name", title: lane.labels }, lane.name || "(no labels)"), track(lane));

    /* How many alerts fire at once; dragging over it chooses what the lanes show. */
    const counts = () => {
      const changes = new Map([[start, 0], [start + span, 0]]);
      const change = (time, by) => changes.set(time, (changes.get(time) || 0) + by);
      for (const lane of counted()) {
        for (const each of lane.episodes) {
          if (each.firing == null) continue;
          change(Math.max(each.firing, start), 1);
          if (each.ended != null) change(each.until, -1);
        }
      }
      const times = [...changes.keys()].sort((one, other) => one - other);
      let firing = 0;
      return [times.map((time) => time / 1000), times.map((time) => (firing += changes.get(time)))];
    };
    let plot = null;
    const drawChart = () => {
      if (plot) plot.destroy();
      const width = chart.clientWidth;
      plot = new uPlot({
        width, height: 96, tzDate: Format.utc, legend: { show: false }, padding: [8, 0, 0, 0],
        scales: { x: { min: view.from / 1000, max: view.to / 1000 }, y: { range: (_, low, high) => [0, Math.max(high || 0, 1)] } },
        axes: [
          Format.axis({
            space: 90, filter: (self, splits) => splits.map((split) => (inside(self.valToPos(split, "x"), width) ? split : null)),
            values: (_, splits) => splits.map((split) => (split == null ? "" : label(split * 1000, view.to - view.from))),
          }),
          { show: false },
        ],
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
      }, counts(), chart);
    };
    const drawLanes = () => {
      hide();
      lanes.replaceChildren(...groups().flatMap(([heading, shown]) => [element("h3", { class: "rule" }, heading), ...shown.map(row)]));
      changed(view, view.from <= start && view.to >= start + span);
    };
    const draw = () => { drawChart(); drawLanes(); };
    const look = (from, to) => { view.from = from; view.to = Math.max(to, from + 1000); draw(); };
    return { draw, drawLanes, look, whole: () => look(start, start + span) };
  };
  return { make, duration, when, course, key };
})();
