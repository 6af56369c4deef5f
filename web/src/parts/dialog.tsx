// Dialogs: a form or a confirmation in the browser's own modal dialog, and the side drawer.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { useAction } from "../lib/use";
import { Problem } from "./basics";
import { Icon } from "./icon";

export function Modal(props: { title: string; close: () => void; class?: string; children: ComponentChildren }) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = ref.current;
    if (!dialog) return;
    dialog.showModal();
    return () => dialog.close();
  }, []);
  return (
    <dialog
      ref={ref}
      class={props.class ?? "modal"}
      aria-label={props.title}
      onCancel={(event) => { event.preventDefault(); props.close(); }}
      onMouseDown={(event) => event.target === ref.current && props.close()}
    >
      <header class="modal-head">
        <h2>{props.title}</h2>
        <button type="button" class="icon-btn" onClick={props.close} aria-label="Close"><Icon name="cross" /></button>
      </header>
      {props.children}
    </dialog>
  );
}

/** A form that runs `save`, shows its failure in place, and closes when it went well. */
export function FormModal(props: {
  title: string; submit: string; danger?: boolean; close: () => void; save: () => Promise<unknown>; after?: () => void; disabled?: boolean; wide?: boolean; children?: ComponentChildren;
}) {
  const { busy, error, act } = useAction();
  const submit = (event: Event) => {
    event.preventDefault();
    void act(props.save, () => { props.close(); props.after?.(); });
  };
  return (
    <Modal title={props.title} close={props.close} class={props.wide ? "modal wide" : "modal"}>
      <form onSubmit={submit}>
        <div class="modal-body">{props.children}{error && <Problem error={error} />}</div>
        <footer class="modal-foot">
          <button type="button" class="btn" onClick={props.close}>Cancel</button>
          <button type="submit" class={`btn ${props.danger ? "danger" : "primary"}`} disabled={busy || props.disabled}>{busy ? "Working…" : props.submit}</button>
        </footer>
      </form>
    </Modal>
  );
}

/** Names what will be lost. With `type`, the name must be typed first. */
export function Confirm(props: { title: string; submit: string; type?: string; close: () => void; save: () => Promise<unknown>; after?: () => void; children: ComponentChildren }) {
  const [typed, setTyped] = useState("");
  return (
    <FormModal title={props.title} submit={props.submit} danger close={props.close} save={props.save} after={props.after} disabled={props.type !== undefined && typed !== props.type}>
      {props.children}
      {props.type !== undefined && (
        <label class="field">
          <span>Type <code>{props.type}</code> to confirm</span>
          <input value={typed} onInput={(e) => setTyped(e.currentTarget.value)} autocomplete="off" autofocus />
        </label>
      )}
    </FormModal>
  );
}

export function Field(props: { label: string; hint?: ComponentChildren; children: ComponentChildren }) {
  return <label class="field"><span>{props.label}</span>{props.children}{props.hint && <small>{props.hint}</small>}</label>;
}
