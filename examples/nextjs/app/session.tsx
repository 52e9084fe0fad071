// app/session.tsx
"use client";

import { type ReactNode, useEffect } from "react";
import { authClient } from "../lib/auth-client";

/** Shows a user's page to this user alone: when somebody else signs in, in any tab, it goes. */
export function OnlyFor({ userId, children }: { userId: string; children: ReactNode }) {
  const { data, error, isPending } = authClient.useSession();
  const isAnother = !isPending && !error && data?.user.id !== userId;
  useEffect(() => {
    if (isAnother) window.location.reload(); // nothing that was read for the other user stays
  }, [isAnother]);
  return isAnother ? null : children;
}
