// A month of a pipeline's runs, day by day, with those that its schedule will start.
import * as api from "../lib/crannog";
import { plural } from "../lib/format";
import { path, setQuery, usePlace } from "../lib/router";
import { useLoad } from "../lib/use";
import { Card, Problem, Skeleton } from "../parts/basics";
import { Icon } from "../parts/icon";
import { tone, word } from "../parts/status";

const WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MARKS = 12;

export function PipelineCalendar({ name }: { name: string }) {
  const { query } = usePlace();
  const wanted = query.get("month") ?? undefined;
  const loaded = useLoad(() => api.pipelineCalendar(name, wanted), [name, wanted], 10_000, [name]);
  const calendar = loaded.data;
  const month = calendar?.month ?? wanted;
  const title = month ? new Date(`${month}-01T00:00:00Z`).toLocaleDateString("en-GB", { month: "long", year: "numeric", timeZone: "UTC" }) : "Calendar";
  const to = (months: number) => month && setQuery({ month: shifted(month, months) });
  return (
    <Card
      title={<>{title}{calendar && <span class="muted zone">{calendar.timezone}</span>}</>}
      actions={<>
        <button type="button" class="icon-btn turned" aria-label="Month before" title="Month before" onClick={() => to(-1)}><Icon name="chevron" /></button>
        <button type="button" class="btn small" onClick={() => setQuery({ month: null })}>Today</button>
        <button type="button" class="icon-btn" aria-label="Month after" title="Month after" onClick={() => to(1)}><Icon name="chevron" /></button>
      </>}
    >
      {loaded.error && <Problem error={loaded.error} retry={loaded.reload} />}
      {!calendar && !loaded.error && <Skeleton />}
      {calendar && (
        <div class="calendar" role="list" aria-label={`Runs in ${title}`}>
          {WEEKDAYS.map((day) => <span key={day} class="weekday" aria-hidden="true">{day}</span>)}
          {calendar.days.map((day, at) => <Day key={day.day} day={day} today={calendar.today} column={at === 0 ? weekday(day.day) : undefined} />)}
        </div>
      )}
    </Card>
  );
}

function Day({ day, today, column }: { day: api.CalendarDay; today: string; column?: number }) {
  const counts = Object.entries(day.states);
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  const said = [...counts.map(([state, count]) => `${count} ${word(state).toLowerCase()}`), ...(day.planned ? [`${day.planned} planned`] : [])].join(", ") || "no runs";
  return (
    <div class={`day ${day.day === today ? "today" : ""}`} role="listitem" aria-label={`${day.day}: ${said}`} style={column ? { gridColumnStart: column } : undefined}>
      <span class="day-n">{Number(day.day.slice(8))}</span>
      <span class="marks">
        {day.runs.slice(0, MARKS).map((run) => <a key={run.id} class={`mark tone-${tone(run.state)}`} href={path("pipeline-runs", run.id)} title={`${word(run.state)} · ${run.logical_at.slice(0, 16).replace("T", " ")} UTC`}><span class="sr">{word(run.state)} {run.logical_at}</span></a>)}
      </span>
      {total > 0 && <small>{counts.length === 1 ? `${total} ${word(counts[0]?.[0] ?? "").toLowerCase()}` : said.replace(/, \d+ planned$/, "")}</small>}
      {day.planned > 0 && <small class="muted">{plural(day.planned, "planned run")}</small>}
    </div>
  );
}

const weekday = (day: string) => ((new Date(`${day}T00:00:00Z`).getUTCDay() + 6) % 7) + 1;

function shifted(month: string, by: number): string {
  const date = new Date(`${month}-01T00:00:00Z`);
  date.setUTCMonth(date.getUTCMonth() + by);
  return date.toISOString().slice(0, 7);
}
