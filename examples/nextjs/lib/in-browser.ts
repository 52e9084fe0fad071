import { useSyncExternalStore } from "react";

const never = () => () => {};

/** False on the server and until the page reacts: a form sent before would go into the URL. */
export function useInBrowser() {
  return useSyncExternalStore(
    never,
    () => true,
    () => false,
  );
}
