"use client";

import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { answered } from "../lib/api";
import { authClient } from "../lib/auth-client";
import { Confirm } from "./dialog";
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
    <>
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
    </>
  );
}

/** Better Auth deletes the tasks first: see lib/auth.ts. */
export function DeleteAccount() {
  const [isAsked, setIsAsked] = useState(false);
  return (
    <footer>
      <button type="button" className="plain" onClick={() => setIsAsked(true)}>
        Delete account
      </button>
      {isAsked && (
        <Confirm
          title="Delete your account?"
          act="Delete account and tasks"
          failure="Account not deleted"
          onClose={() => setIsAsked(false)}
          onConfirm={async (form) => {
            await answered(authClient.deleteUser({ password: `${form.get("password")}` }));
            leave();
          }}
        >
          <p>Your account and all of your tasks are deleted for good.</p>
          <label>
            Password
            <input name="password" type="password" autoComplete="current-password" required />
          </label>
        </Confirm>
      )}
    </footer>
  );
}
