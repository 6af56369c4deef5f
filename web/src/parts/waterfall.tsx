// How an answer came about, column by column: a step up or down for each, from the usual answer to this one.
import { number } from "../lib/format";

export interface Step { name: string; given?: string; share: number }

/** Steps shown; what is left is summed up in one. */
const MOST = 12;

/** Writes all numbers with as many decimals as the largest share needs for three digits, so that they stand in a column. */
function writer(steps: Step[]) {
  const largest = Math.max(...steps.map((s) => Math.abs(s.share)));
  const decimals = Math.max(2 - Math.floor(Math.log10(largest)), 0);
  return (value: number) => {
    const text = decimals <= 6 ? value.toFixed(decimals) : "";
    return text && text.length <= 9 ? text : number(Number(value.toPrecision(4)));
  };
}

const signed = (value: number, written: (value: number) => string) => `${value < 0 ? "−" : "+"}${written(Math.abs(value))}`;

export function Waterfall({ base, value, steps, label }: { base: number; value: number; steps: Step[]; label: string }) {
  const sorted = steps.filter((s) => s.share !== 0).sort((a, b) => Math.abs(b.share) - Math.abs(a.share));
  const rest = sorted.slice(MOST);
  const shown: Step[] = rest.length > 1
    ? [...sorted.slice(0, MOST), { name: `${rest.length} others`, share: rest.reduce((sum, s) => sum + s.share, 0) }]
    : sorted;
  let at = base;
  const lines = shown.map((step) => ({ step, from: at, to: (at += step.share) }));
  const ends = [base, value, ...lines.map((l) => l.to)];
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const place = (v: number) => (high > low ? 2 + (96 * (v - low)) / (high - low) : 50);
  const written = writer(sorted);
  const still = steps.length - sorted.length;
  return (
    <div class="waterfall-box">
      <table class="waterfall" aria-label={label}>
        <tbody>
          <tr class="end"><th scope="row">Usual answer</th><td><Mark at={place(base)} /></td><td>{written(base)}</td></tr>
          {lines.map(({ step, from, to }) => (
            <tr key={step.name} class={step.share < 0 ? "down" : "up"}>
              <th scope="row" title={step.given === undefined ? step.name : `${step.name} = ${step.given}`}>
                <div><span class="cut">{step.name}</span>{step.given !== undefined && <small class="cut">{step.given}</small>}</div>
              </th>
              <td><Bar from={place(from)} to={place(to)} /></td>
              <td>{signed(step.share, written)}</td>
            </tr>
          ))}
          <tr class="end"><th scope="row">This answer</th><td><Mark at={place(value)} /></td><td>{written(value)}</td></tr>
        </tbody>
      </table>
      {still > 0 && <p class="muted">{still === 1 ? "One column" : `${still} columns`} made no difference.</p>}
    </div>
  );
}

/** The number beside it says the same in words. */
function Bar({ from, to }: { from: number; to: number }) {
  const [left, right] = [Math.min(from, to), Math.max(from, to)];
  return (
    <svg viewBox="0 0 100 22" preserveAspectRatio="none" aria-hidden="true">
      <line x1={from} x2={from} y1="0" y2="11" /><line x1={to} x2={to} y1="11" y2="22" />
      <rect x={left} y="4" width={Math.max(right - left, 0.6)} height="14" />
    </svg>
  );
}

const Mark = ({ at }: { at: number }) => (
  <svg viewBox="0 0 100 22" preserveAspectRatio="none" aria-hidden="true"><line class="mark" x1={at} x2={at} y1="3" y2="19" /></svg>
);
