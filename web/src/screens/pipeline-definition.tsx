// A pipeline's definition as text; where its newest text is bad, that text with the faulty lines marked.
import { useState } from "preact/hooks";
import type { Pipeline, Rejected } from "../lib/crannog";
import { Card, Copy, Empty } from "../parts/basics";
import { CodeBlock } from "../parts/code";
import { Icon } from "../parts/icon";

export function PipelineDefinition({ pipeline }: { pipeline: Pipeline }) {
  const { rejected, definition } = pipeline;
  const [good, showGood] = useState(false);
  if (!rejected) return <Card>{definition ? <CodeBlock code={definition} /> : <Empty kind="start" icon="file" title="There is no text of it">{pipeline.error && <p>{pipeline.error}</p>}</Empty>}</Card>;
  return (
    <Card>
      {definition && (
        <div class="segments" role="group" aria-label="Which text">
          <button type="button" aria-pressed={!good} onClick={() => showGood(false)}>Newest, refused</button>
          <button type="button" aria-pressed={good} onClick={() => showGood(true)}>In use</button>
        </div>
      )}
      {good && definition ? <CodeBlock code={definition} /> : <Marked rejected={rejected} why={pipeline.error} />}
    </Card>
  );
}

function Marked({ rejected, why }: { rejected: Rejected; why: string | null }) {
  const lines = rejected.text.replace(/\n$/, "").split("\n");
  const placed = rejected.errors.filter((one) => one.line !== null && one.line >= 1 && one.line <= lines.length);
  const rest = rejected.errors.filter((one) => !placed.includes(one)).map((one) => one.message);
  // A sound text may be refused all the same, for a name that is taken.
  if (rejected.errors.length === 0 && why) rest.push(why);
  return (
    <>
      {rest.map((message) => <p key={message} class="bad"><Icon name="cross" size={14} /> {message}</p>)}
      <div class="code numbered">
        <pre tabIndex={0} aria-label="Definition">
          {lines.map((text, i) => {
            const faults = placed.filter((one) => one.line === i + 1);
            return (
              <>
                <span key={i} class={`code-line ${faults.length ? "wrong" : ""}`}><i aria-hidden="true">{i + 1}</i><code>{text}{"\n"}</code></span>
                {faults.map((one, at) => <span key={`${i} ${at}`} class="code-fault"><Icon name="cross" size={13} /><span>{one.column !== null && <b>Line {one.line}, column {one.column}: </b>}{one.message}</span></span>)}
              </>
            );
          })}
        </pre>
        <Copy text={rejected.text} label="Copy code" />
      </div>
    </>
  );
}
