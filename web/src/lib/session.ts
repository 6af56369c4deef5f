// Who is signed in, known to every screen once the shell has asked.
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Me } from "./crannog";

export const Session = createContext<Me | undefined>(undefined);

export function useMay() {
  const me = useContext(Session);
  return { me, edit: me?.role === "editor" || me?.role === "admin", admin: me?.role === "admin" };
}
