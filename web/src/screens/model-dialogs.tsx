// Changing a model: set or move an alias, drop it, edit a version. Each says what will change.
import { useState } from "preact/hooks";
import type { Endpoint } from "../lib/crannog";
import * as ml from "../lib/mlflow";
import { Confirm, Field, FormModal } from "../parts/dialog";
import { Icon } from "../parts/icon";

interface SetProps {
  name: string; alias?: string; from?: string; versions: ml.ModelVersion[]; aliases: { alias: string; version: string }[];
  followers: (alias: string) => Endpoint[]; close: () => void; after: () => void;
}

export function SetAlias({ name, alias: given, from, versions, aliases, followers, close, after }: SetProps) {
  const [alias, setAlias] = useState(given ?? "");
  // Moving an existing alias: offer a version other than the one it has.
  const other = given ? versions.find((v) => v.version !== from)?.version : undefined;
  const [version, setVersion] = useState(other ?? from ?? versions[0]?.version ?? "");
  const now = aliases.find((a) => a.alias === alias)?.version;
  const hit = followers(alias);
  return (
    <FormModal title={given ? `Move @${given}` : "Set an alias"} submit={now ? "Move" : "Set"} close={close} after={after} disabled={!alias || !version || now === version} save={() => ml.aliasSet(name, alias, version)}>
      {!given && <Field label="Alias" hint="For example production, champion or canary."><input value={alias} onInput={(e) => setAlias(e.currentTarget.value.trim())} list="known-aliases" autofocus /></Field>}
      <datalist id="known-aliases">{aliases.map((a) => <option key={a.alias} value={a.alias} />)}</datalist>
      <Field label="Points to">
        <select value={version} onChange={(e) => setVersion(e.currentTarget.value)}>{versions.map((v) => <option key={v.version} value={v.version}>version {v.version}{v.description ? ` · ${v.description.slice(0, 40)}` : ""}</option>)}</select>
      </Field>
      {alias && (
        <p class="change">
          <span class="alias big">@{alias}</span>
          {now === version ? <>already points to version {version}.</> : now ? <>moves from <b>version {now}</b> to <b>version {version}</b>.</> : <>will point to <b>version {version}</b>.</>}
        </p>
      )}
      {hit.length > 0 && now !== version && <p class="change"><Icon name="bolt" />{hit.map((e) => e.name).join(", ")} will serve version {version} once it is loaded; no request is dropped.</p>}
    </FormModal>
  );
}

export function DropAlias({ name, alias, followers, close, after }: { name: string; alias: string; followers: Endpoint[]; close: () => void; after: () => void }) {
  return (
    <Confirm title={`Delete @${alias}`} submit="Delete" close={close} after={after} save={() => ml.aliasDelete(name, alias)}>
      <p><code>models:/{name}@{alias}</code> will no longer name a version. The version itself stays.</p>
      {followers.length > 0 && <p class="change"><Icon name="warn" />Endpoints that follow it lose their model: <b>{followers.map((e) => e.name).join(", ")}</b>.</p>}
    </Confirm>
  );
}

export function EditVersion({ version, close, after }: { version: ml.ModelVersion; close: () => void; after: () => void }) {
  const [about, setAbout] = useState(version.description ?? "");
  const [tags, setTags] = useState((version.tags ?? []).map((t) => `${t.key}=${t.value}`).join("\n"));
  const save = async () => {
    const { name, version: v } = version;
    const wanted = new Map(tags.split("\n").map((line) => line.trim()).filter(Boolean).map((line) => { const at = line.indexOf("="); return at < 0 ? [line, ""] : [line.slice(0, at).trim(), line.slice(at + 1).trim()]; }));
    if (about !== (version.description ?? "")) await ml.versionDescribe(name, v, about);
    for (const old of version.tags ?? []) if (!wanted.has(old.key)) await ml.versionTagDelete(name, v, old.key);
    for (const [key, value] of wanted) if (ml.tagOf(version.tags, key) !== value) await ml.versionTag(name, v, key, value);
  };
  return (
    <FormModal title={`Version ${version.version}`} submit="Save" close={close} after={after} save={save}>
      <Field label="Description"><textarea rows={4} value={about} onInput={(e) => setAbout(e.currentTarget.value)} /></Field>
      <Field label="Tags" hint="One a line, as key=value."><textarea rows={4} class="mono" value={tags} onInput={(e) => setTags(e.currentTarget.value)} /></Field>
    </FormModal>
  );
}
