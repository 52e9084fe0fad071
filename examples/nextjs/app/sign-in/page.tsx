"use client";

import { type FormEvent, useState } from "react";
import { authClient } from "../../lib/auth-client";
import { useInBrowser } from "../../lib/in-browser";

export default function SignInPage() {
  const [isNew, setIsNew] = useState(false);
  const [error, setError] = useState("");
  const [isSending, setIsSending] = useState(false);
  const isReady = useInBrowser() && !isSending;

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const [name, email, password] = ["name", "email", "password"].map((key) => `${form.get(key)}`);
    setIsSending(true);
    setError("");
    const answer = isNew
      ? await authClient.signUp.email({ name: name!, email: email!, password: password! })
      : await authClient.signIn.email({ email: email!, password: password! });
    setIsSending(false);
    if (answer.error) setError(answer.error.message ?? "That did not work: try again");
    else window.location.replace("/");
  }

  return (
    <form className="card" onSubmit={submit}>
      <h1>{isNew ? "Create an account" : "Sign in"}</h1>
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
          required
        />
      </label>
      {error && (
        <p role="alert" className="error">
          {error}
        </p>
      )}
      <button disabled={!isReady}>{isNew ? "Create the account" : "Sign in"}</button>
      <button type="button" className="plain" disabled={!isReady} onClick={() => setIsNew(!isNew)}>
        {isNew ? "I have an account" : "I am new here"}
      </button>
    </form>
  );
}
