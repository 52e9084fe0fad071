"use client";

import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { answered } from "../../lib/api";
import { authClient } from "../../lib/auth-client";
import { useInBrowser } from "../../lib/in-browser";
import { Failure } from "../failure";

const SHORTEST_PASSWORD = 8; // Better Auth's own limit

export default function SignInPage() {
  const [isNew, setIsNew] = useState(false);
  const isInBrowser = useInBrowser();
  const attempt = useMutation({
    mutationFn: (form: FormData) => {
      const [name, email, password] = ["name", "email", "password"].map((key) => `${form.get(key)}`);
      return isNew
        ? answered(authClient.signUp.email({ name: name!, email: email!, password: password! }))
        : answered(authClient.signIn.email({ email: email!, password: password! }));
    },
    onSuccess: () => window.location.replace("/"),
  });
  const isReady = isInBrowser && !attempt.isPending && !attempt.isSuccess;

  return (
    <form
      className="card"
      onInput={() => attempt.error && attempt.reset()}
      onSubmit={(event) => {
        event.preventDefault();
        attempt.mutate(new FormData(event.currentTarget));
      }}
    >
      <h1>{isNew ? "Create an account" : "Sign in"}</h1>
      <p className="quiet">What is to be done, in one calm place.</p>
      {isNew && (
        <label>
          Name
          <input name="name" autoComplete="name" required />
        </label>
      )}
      <label>
        E-mail
        <input name="email" type="email" autoComplete="email" required />
      </label>
      <label>
        Password
        <input
          name="password"
          type="password"
          autoComplete={isNew ? "new-password" : "current-password"}
          minLength={isNew ? SHORTEST_PASSWORD : undefined}
          aria-describedby={isNew ? "shortest" : undefined}
          required
        />
        {isNew && <small id="shortest">At least {SHORTEST_PASSWORD} characters</small>}
      </label>
      <Failure action={isNew ? "Account not created" : "Not signed in"} error={attempt.error} />
      <button disabled={!isReady}>{isNew ? "Create account" : "Sign in"}</button>
      <button
        type="button"
        className="plain"
        disabled={!isReady}
        onClick={() => {
          setIsNew(!isNew);
          attempt.reset();
        }}
      >
        {isNew ? "I have an account" : "I am new here"}
      </button>
    </form>
  );
}
