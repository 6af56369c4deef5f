// What people say of a thing: its tags, edited a line each, and its description.
import { useState } from "preact/hooks";
import { Field, FormModal } from "./dialog";
import { Icon } from "./icon";

export type Row = [key: string, value: string];

/** Keys and values, a line each; an empty key is passed over. */
export function PairRows({ rows, set, keys, label }: { rows: Row[]; set: (rows: Row[]) => void; keys: string; label: string }) {
  const put = (at: number, row: Row) => set(rows.map((old, i) => (i === at ? row : old)));
  return (
    <div class="pair-rows" role="group" aria-label={label}>
      {rows.map(([key, value], i) => (
        <div key={i}>
          <input value={key} placeholder={keys} aria-label={`${keys} ${i + 1}`} onInput={(e) => put(i, [e.currentTarget.value, value])} spellcheck={false} autocomplete="off" />
          <input value={value} placeholder="value" aria-label={`Value ${i + 1}`} onInput={(e) => put(i, [key, e.currentTarget.value])} spellcheck={false} autocomplete="off" />
          <button type="button" class="icon-btn" aria-label={`Remove ${key || "this line"}`} onClick={() => set(rows.filter((_, other) => other !== i))}><Icon name="cross" /></button>
        </div>
      ))}
      <button type="button" class="btn small" onClick={() => set([...rows, ["", ""]])}><Icon name="plus" />Add</button>
    </div>
  );
}

export interface Pair { key: string; value: string }

/** Tags, changed together; only what differs is sent. */
export function TagsModal(props: { title: string; tags: Pair[]; close: () => void; after: () => void; set: (key: string, value: string) => Promise<unknown>; drop: (key: string) => Promise<unknown> }) {
  const [rows, setRows] = useState<Row[]>(props.tags.length ? props.tags.map(({ key, value }) => [key, value]) : [["", ""]]);
  const save = async () => {
    const wanted = new Map(rows.map(([key, value]) => [key.trim(), value] as const).filter(([key]) => key));
    const known = new Map(props.tags.map(({ key, value }) => [key, value]));
    for (const key of known.keys()) if (!wanted.has(key)) await props.drop(key);
    for (const [key, value] of wanted) if (known.get(key) !== value) await props.set(key, value);
  };
  return <FormModal title={props.title} submit="Save" close={props.close} after={props.after} save={save}><PairRows rows={rows} set={setRows} keys="key" label="Tags" /></FormModal>;
}

export function DescribeModal(props: { title: string; value: string; close: () => void; after: () => void; save: (text: string) => Promise<unknown> }) {
  const [text, setText] = useState(props.value);
  return (
    <FormModal title={props.title} submit="Save" close={props.close} after={props.after} save={() => props.save(text.trim())} wide>
      <Field label="Description" hint="Markdown: **bold**, `code`, lists, links, tables."><textarea rows={8} value={text} onInput={(event) => setText(event.currentTarget.value)} autofocus /></Field>
    </FormModal>
  );
}
