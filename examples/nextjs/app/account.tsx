"use client";

import { useMutation } from "@tanstack/react-query";
import { answered } from "../lib/api";
import { authClient } from "../lib/auth-client";
import { Failure } from "./failure";

// A whole new page: nothing of the user stays in memory.
const leave = () => window.location.replace("/sign-in");

/** Ends the session, after what is still to be sent for it. */
export function SignOut({ sendRest }: { sendRest: () => Promise<unknown> }) {
  const signOut = useMutation({
    mutationFn: async () => {
      await sendRest();
      await answered(authClient.signOut());
    },
    onSuccess: leave,
  });
  return (
    <div className="account">
      <button
        type="button"
        className="plain"
        disabled={signOut.isPending}
        onClick={() => signOut.mutate()}
      >
        Sign out
      </button>
      <Failure
        action="You are still signed in"
        error={signOut.error}
        onTryAgain={() => signOut.mutate()}
      />
    </div>
  );
}
