// Who gets which model: the routes of an endpoint with their shares, and what may be done about them.
import { useState } from "preact/hooks";
import * as api from "../lib/crannog";
import { number } from "../lib/format";
import { path } from "../lib/router";
import { Card } from "../parts/basics";
import { Confirm, Field, FormModal } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { Status } from "../parts/status";
import { NewCanary } from "./endpoint-canary";

interface Props { endpoint: api.Endpoint; edit: boolean; after: () => void }

const STICKY: Record<string, string> = { header: "header", cookie: "cookie", user: "user" };

export function Routes({ endpoint, edit, after }: Props) {
  const [dialog, setDialog] = useState<"split" | "canary">();
  const close = () => setDialog(undefined);
  const free = endpoint.canary?.status !== "running" && endpoint.canary?.status !== "promoting";
  const sticky = endpoint.sticky;
  return (
    <Card
      flush title={<>Routes <span class="count">{endpoint.routes.length}</span></>}
      actions={edit && free && <>
        <button type="button" class="btn small" onClick={() => setDialog("split")}><Icon name="edit" />Split</button>
        <button type="button" class="btn small" onClick={() => setDialog("canary")}><Icon name="plus" />Canary</button>
      </>}
    >
      <ul class="rows routes">{endpoint.routes.map((route) => <RouteRow key={route.name} route={route} told={route.error === endpoint.error} />)}</ul>
      {sticky && <p class="note">Callers keep their route by their {STICKY[sticky.by] ?? sticky.by}{sticky.name && <> <code>{sticky.name}</code></>}.</p>}
      <p class="note">Answers at <code>{endpoint.url_path}</code> and <code>/v2/models/{endpoint.name}</code>.</p>
      {dialog === "split" && <Split endpoint={endpoint} close={close} after={after} />}
      {dialog === "canary" && <NewCanary endpoint={endpoint} close={close} after={after} />}
    </Card>
  );
}

/** `told`: its error stands at the top of the page already. */
function RouteRow({ route, told }: { route: api.Route; told: boolean }) {
  return (
    <li class="route">
      <span class="route-name"><b>{route.name}</b><Status state={route.state} note={route.error} /></span>
      <span class="route-model">
        <code>{route.model}</code>
        {route.model_name && <a href={path("models", route.model_name)}>version {route.version}</a>}
        {route.warm.length > 0 && <span class="muted" title="Still in memory: going back to them needs no loading">warm: {route.warm.map((v) => `v${v}`).join(", ")}</span>}
      </span>
      <span class="route-share">
        {route.shadow ? <span class="tag">shadow, never heard</span> : <><span class="bar" aria-hidden="true"><i style={{ width: `${route.share}%` }} /></span><b>{number(route.share)} %</b></>}
        {route.match && <span class="tag"><b>{route.match.header}</b><span>{route.match.value}</span></span>}
      </span>
      {route.error && !told && <p class="route-error bad">{route.error}</p>}
    </li>
  );
}

interface Dialog { endpoint: api.Endpoint; close: () => void; after: () => void }

function Split({ endpoint, close, after }: Dialog) {
  const own = endpoint.routes.filter((route) => route.name !== "canary");
  const [weights, setWeights] = useState<Record<string, string>>(Object.fromEntries(own.map((route) => [route.name, String(route.weight)])));
  const [added, setAdded] = useState({ name: "challenger", model: "", kind: "weight", weight: "10", header: "", value: "" });
  const add = (change: Partial<typeof added>) => setAdded((old) => ({ ...old, ...change }));
  const heard = own.filter((route) => !route.shadow);
  const all = [...heard.map((route) => Number(weights[route.name]) || 0), added.model && added.kind === "weight" ? Number(added.weight) || 0 : 0];
  const total = all.reduce((sum, weight) => sum + weight, 0);
  const share = (weight: number) => (total > 0 ? `${number(Math.round((1000 * weight) / total) / 10)} %` : "–");
  const save = () => {
    const routes = own.map(({ name, model, match, shadow, limits }) => ({ name, model, match, shadow, limits, weight: Number(weights[name]) || 0 }));
    const extra = { name: added.name, model: added.model, shadow: added.kind === "shadow", weight: added.kind === "weight" ? Number(added.weight) || 0 : 0, match: added.kind === "match" ? { header: added.header, value: added.value } : null, limits: null };
    return api.endpointPatch(endpoint.name, { routes: added.model ? [...routes, extra] : routes });
  };
  return (
    <FormModal title="Split the requests" submit="Apply" close={close} after={after} disabled={total === 0} save={save}>
      {heard.map((route) => (
        <Field key={route.name} label={`${route.name}, version ${route.version ?? "–"}`} hint={`${share(Number(weights[route.name]) || 0)} of the requests that no header sends elsewhere`}>
          <input type="number" min={0} max={1_000_000} step={1} value={weights[route.name]} onInput={(event) => { const value = event.currentTarget.value; setWeights((old) => ({ ...old, [route.name]: value })); }} />
        </Field>
      ))}
      <fieldset class="more">
        <legend>Another route</legend>
        <Field label="Model" hint="Leave it empty to add none."><input class="mono" placeholder="models:/NAME/VERSION" value={added.model} onInput={(event) => add({ model: event.currentTarget.value.trim() })} /></Field>
        {added.model && <>
          <Field label="Name"><input value={added.name} required onInput={(event) => add({ name: event.currentTarget.value.trim() })} /></Field>
          <Field label="It answers">
            <select value={added.kind} onChange={(event) => add({ kind: event.currentTarget.value })}>
              <option value="weight">a share of the requests</option>
              <option value="match">requests with a header</option>
              <option value="shadow">nobody: it is only compared</option>
            </select>
          </Field>
          {added.kind === "weight" && <Field label="Weight" hint={share(Number(added.weight) || 0)}><input type="number" min={0} step={1} value={added.weight} onInput={(event) => add({ weight: event.currentTarget.value })} /></Field>}
          {added.kind === "match" && <div class="pair-fields"><Field label="Header"><input required value={added.header} placeholder="x-tier" onInput={(event) => add({ header: event.currentTarget.value.trim() })} /></Field><Field label="Value"><input required value={added.value} onInput={(event) => add({ value: event.currentTarget.value })} /></Field></div>}
        </>}
      </fieldset>
    </FormModal>
  );
}

export function RollBack({ endpoint, close, after }: Dialog) {
  const canary = endpoint.canary?.status === "running" ? endpoint.canary : null;
  const warm = endpoint.routes[0]?.warm[0];
  return (
    <Confirm title="Roll back" submit="Roll back" close={close} after={after} save={() => api.endpointRollback(endpoint.name)}>
      {canary ? <p>The canary of version <b>{canary.version}</b> ends, and version {canary.champion} answers all requests again.</p> : <>
        <p><b>{endpoint.name}</b> goes back to the version that was served before{warm && <>, <b>version {warm}</b>, which is still in memory</>}.</p>
        <p class="muted">{endpoint.model.includes("@") ? <>The alias behind <code>{endpoint.model}</code> is moved, so whoever else follows it goes back too.</> : <>The champion's address is changed from <code>{endpoint.model}</code>.</>}</p>
      </>}
    </Confirm>
  );
}
