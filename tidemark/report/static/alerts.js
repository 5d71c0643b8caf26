/* Alerts: for each source a timeline of what was pending and fired, a table of it, and why. */
const Alerts = (() => {
  const { element, whole } = Format;
  const { duration, when, course } = Timeline;
  const SHOWN_FIRST = ["summary", "description"];

  const traced = (trace) => trace.map(({ selector, series, omitted }) => element("div", {},
    element("code", {}, selector),
    ...series.map((one) => {
      const samples = one.samples === 1 ? "" : `, ${whole(one.samples)} samples`;
      return element("div", { class: "muted" }, `${one.labels} = ${one.value} at ${Format.time(one.time, true)}${samples}`);
    }),
    omitted ? element("div", { class: "muted" }, `and ${whole(omitted)} more`) : ""));

  const annotated = ({ annotations }) => {
    const others = Object.keys(annotations).filter((name) => !SHOWN_FIRST.includes(name));
    return [...SHOWN_FIRST.filter((name) => annotations[name]), ...others].map((name) => [name, annotations[name]]);
  };

  const ruled = (rule) => [
    rule.expr && element("code", {}, rule.expr),
    ...[["for", rule.for], ["keep firing for", rule.keep]].filter(([, ms]) => ms).map(([name, ms]) => element("div", { class: "muted" }, `${name} ${duration(ms)}`)),
  ];

  const detailed = (alerts) => (lane, episode) => {
    const rule = alerts.rules[lane.rule];
    return [rule.name, lane.labels, [
      ...annotated(episode),
      ...course(episode),
      ["value", episode.value === episode.last ? episode.value : `${episode.value}, at last ${episode.last}`],
      ["rule", ...ruled(rule)],
      ["because of", ...traced(episode.trace)],
      ["ended because", episode.reason],
      ["late data", episode.corrected ? "changed what had been said of it" : ""],
    ]];
  };

  const fired = (lane) => lane.episodes.some((each) => each.firing != null);

  const table = (source, rows, look) => {
    const { alerts } = source;
    const heads = ["Alert", "About", "Pending", "Fired", "Resolved", "Fired for", "Why", ""];
    const body = rows.map(([lane, each]) => {
      const rule = alerts.rules[lane.rule];
      const time = (ms, none) => element("td", { class: "place" }, ms == null ? none : Format.time(ms, alerts.end - alerts.start < 3600000));
      const why = element("td", {}, each.annotations.summary ?? `value ${each.value}`);
      if (each.corrected) why.append(element("div", { class: "muted" }, "corrected by late data"));
      const button = element("button", { type: "button", onclick: () => look(rule, lane, each), "aria-label": `${rule.name} ${lane.name} on the chart` }, "Chart");
      return element("tr", {},
        element("td", { class: "rule" }, rule.name), element("td", { title: lane.labels }, lane.name || "(no labels)"),
        time(each.pending, ""), time(each.firing, "never"), time(each.ended, "still active"),
        element("td", { class: "place" }, each.firing == null ? "" : duration(each.until - each.firing)),
        why, element("td", {}, rule.metrics.length ? button : ""));
    });
    return [element("thead", {}, element("tr", {}, ...heads.map((text) => element("th", {}, text)))), element("tbody", {}, ...body)];
  };

  const count = (number, one, many) => `${whole(number)} ${number === 1 ? one : many}`;

  /* What there was in words: the counts, and what late data did. */
  const counted = (alerts) => {
    const parts = [`${count(alerts.fired, "episode", "episodes")} fired, ${count(alerts.pending_only, "was", "were")} pending and never did.`];
    if (alerts.corrections) parts.push(`Late data corrected ${count(alerts.corrections, "event", "events")} of ${whole(alerts.events)}.`);
    if (alerts.left_out) parts.push(`${count(alerts.left_out, "shorter episode is", "shorter episodes are")} not shown.`);
    return parts.join(" ");
  };

  const panel = (source, look) => {
    const { alerts } = source;
    const pending = element("input", { type: "checkbox" });
    const reset = element("button", { type: "button", hidden: "" }, "Whole range");
    const showing = element("span", { class: "muted" });
    const chart = element("div"), lanes = element("div"), rows = element("table", { class: "episodes" });
    const none = element("p", { class: "muted" }, "No alert fired.");
    const shown = () => alerts.lanes.filter((lane) => pending.checked || fired(lane));
    const timeline = Timeline.make({
      chart, lanes, start: alerts.start, end: alerts.end, detailed: detailed(alerts),
      groups: () => alerts.rules.map((rule, number) => [rule.name, shown().filter((lane) => lane.rule === number)]).filter(([, own]) => own.length),
      counted: () => alerts.lanes,
      changed: (view, all) => {
        none.hidden = lanes.hasChildNodes();
        reset.hidden = all;
        showing.textContent = all ? "Drag over the chart to look closer." : `${when(view.from)} to ${when(view.to)}`;
        const episodes = shown().flatMap((lane) => lane.episodes.filter((each) => pending.checked || each.firing != null).map((each) => [lane, each]))
          .filter(([, each]) => each.pending <= view.to && each.until >= view.from).sort(([, one], [, other]) => one.pending - other.pending);
        rows.replaceChildren(...table(source, episodes, look));
        rows.parentNode.hidden = !episodes.length;
      },
    });
    pending.addEventListener("change", timeline.drawLanes);
    reset.addEventListener("click", timeline.whole);
    const check = element("label", {}, pending, " those that were only pending");
    check.hidden = !alerts.pending_only;
    const controls = element("div", { class: "controls" }, check, reset, showing);
    const axis = element("div", { class: "lane axis" }, element("div", { class: "name muted" }, "firing at once"), chart);
    const node = element("div", { class: "alerts" }, element("h3", {}, source.title), element("p", { class: "note" }, counted(alerts)),
      element("div", { class: "panel" }, controls, axis, lanes, none), element("div", { class: "scroll" }, rows));
    return { node, draw: timeline.draw };
  };

  /* Show the alerts of all sources that have rules; `look` shows a rule's metric on the charts, around an episode. */
  const show = (data, look) => {
    const section = document.getElementById("alerts");
    const sources = data.sources.filter((source) => source.alerts);
    section.hidden = document.getElementById("to-alerts").hidden = !sources.length;
    const panels = sources.map((source) => panel(source, (...what) => look(source, ...what)));
    section.querySelector(".legends").append(Timeline.key("pending", "pending"), Timeline.key("firing", "firing"));
    section.append(...panels.map((each) => each.node));
    return () => panels.forEach((each) => each.draw());
  };
  return { show };
})();
