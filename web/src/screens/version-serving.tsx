// A version as serving sees it: whether it would run and in what, its operators, its signature, and where it serves.
import type * as api from "../lib/crannog";
import { bytes, ms, number, plural } from "../lib/format";
import { path } from "../lib/router";
import { Card, Facts } from "../parts/basics";
import { Icon } from "../parts/icon";
import { Status } from "../parts/status";
import { Table } from "../parts/table";

export function Serving({ about }: { about: api.VersionServing }) {
  return (
    <>
      <Runs about={about} />
      <SignatureCards about={about} />
      <Served places={about.served} />
    </>
  );
}

function Runs({ about }: { about: api.VersionServing }) {
  const python = about.runs_in === "python";
  const lacking = about.operators?.filter((one) => !one.known) ?? [];
  const loaded = about.served.find((place) => !place.warm) ?? about.served[0];
  return (
    <Card title={<>Serving <Status state={about.refused ? "refused" : "runs"} /></>}>
      {about.refused && <div class="problem" role="alert"><Icon name="warn" /><div><p>{about.refused}</p></div></div>}
      <Facts items={[
        ["Runs in", python ? "a Python process of its own" : "the ONNX engine"],
        about.venv ? ["Environment", <code>{about.venv}</code>] : null,
        about.producer ? ["Exported by", about.producer] : null,
        about.opsets && ["Operator sets", Object.entries(about.opsets).map(([domain, version]) => `${domain} ${version}`).join(", ")],
        about.bytes !== undefined && ["File", bytes(about.bytes)],
        (loaded || about.load_ms !== undefined) && ["Load time", <>{ms(loaded?.load_ms ?? about.load_ms)}{!loaded && <span class="muted"> when it was looked through</span>}</>],
        about.example && ["Example", <Example found={about.example} />],
      ]} />
      {about.operators && (
        <details class="operators" open={lacking.length > 0}>
          <summary>{plural(about.operators.length, "operator")}{lacking.length > 0 ? `, ${lacking.length} not in the engine` : ", all in the engine"}</summary>
          <Table
            label="Operators" rows={about.operators} rowKey={(one) => `${one.domain} ${one.name}`}
            columns={[
              { id: "name", head: "Operator", cell: (one) => <code>{one.name}</code> },
              { id: "domain", head: "Domain", cell: (one) => one.domain },
              { id: "nodes", head: "Nodes", class: "num", cell: (one) => number(one.nodes) },
              { id: "engine", head: "Engine", cell: (one) => <Status state={one.known ? "has_it" : "lacks_it"} /> },
            ]}
          />
        </details>
      )}
    </Card>
  );
}

function Example({ found }: { found: NonNullable<api.VersionServing["example"]> }) {
  return <span class={found.ok ? "" : "bad"}><Icon name={found.ok ? "check" : "cross"} size={14} /> {found.note}</span>;
}

interface Row { name: string; kind: string; note?: string }

/** A side of MLflow's signature, or of the file where there is none. */
function sideOf(given: unknown, tensors: api.Tensor[] | undefined): Row[] {
  const shape = (sizes: number[]) => `[${sizes.map((size) => (size < 0 ? "any" : size)).join(" × ")}]`;
  if (Array.isArray(given) && given.length > 0) {
    return (given as { name?: string; type?: string; required?: boolean; "tensor-spec"?: { dtype: string; shape: number[] } }[]).map((part, index) => {
      const spec = part["tensor-spec"];
      return { name: part.name ?? (given.length === 1 ? "the whole" : `${index + 1}`), kind: spec ? `${spec.dtype} ${shape(spec.shape)}` : part.type ?? "", note: part.required === false ? "optional" : undefined };
    });
  }
  return (tensors ?? []).map((tensor) => ({ name: tensor.name, kind: `${tensor.datatype} ${shape(tensor.shape)}` }));
}

function SignatureCards({ about }: { about: api.VersionServing }) {
  const params = (about.signature?.params ?? []) as { name: string; type: string; default: unknown; shape?: number[] | null }[];
  const sides: [string, Row[]][] = [
    ["Inputs", sideOf(about.signature?.inputs, about.inputs)],
    ["Outputs", sideOf(about.signature?.outputs, about.outputs)],
    ["Parameters", params.map((param) => ({ name: param.name, kind: `${param.type}${param.shape ? " list" : ""}`, note: `${JSON.stringify(param.default)} unless said` }))],
  ];
  const known = sides.filter(([, rows]) => rows.length > 0);
  if (known.length === 0) return null;
  return (
    <div class="two">
      {known.map(([title, rows]) => (
        <Card key={title} title={<>{title} <span class="count">{rows.length}</span></>} flush>
          <table class="pairs"><tbody>{rows.map((row) => <tr key={row.name}><th scope="row">{row.name}</th><td class="param">{row.kind}{row.note && <span class="muted"> {row.note}</span>}</td></tr>)}</tbody></table>
        </Card>
      ))}
    </div>
  );
}

function Served({ places }: { places: api.ServedAt[] }) {
  return (
    <Card flush title={<>Serves <span class="count">{places.length}</span></>}>
      {places.length === 0 ? <p class="note">No endpoint asks this version.</p> : (
        <ul class="rows routes">
          {places.map((place) => (
            <li class="route" key={`${place.endpoint} ${place.route}`}>
              <span class="route-name"><a class="strong" href={path("endpoints", place.endpoint)}>{place.endpoint}</a><Status state={place.warm ? "warm" : place.state} /></span>
              <span class="route-model"><span>{place.route}</span><code>{place.uri}</code></span>
              <span class="route-share">
                {place.warm ? <span class="muted">in memory, to go back to</span> : place.shadow ? <span class="tag">shadow, never heard</span> : <><span class="bar" aria-hidden="true"><i style={{ width: `${place.share}%` }} /></span><b>{number(place.share)} %</b></>}
                {place.match && <span class="tag"><b>{place.match.header}</b><span>{place.match.value}</span></span>}
              </span>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}
