/** The questions that rules ask, and the holder's answers. There is no free text, and nothing asks who somebody is. */

import { useEffect, useRef, useState } from "preact/hooks";

import type { Answers, Fact, Question, Survey } from "./api";
import { Facts, said, useSpeech } from "./parts";

interface Shown {
  surveys: Survey[];
  facts: Fact[];
  now: number;
  send: (ruleSet: number, answers: Answers) => Promise<void>;
}

/** Until when the holder's answers to a survey count; null without any. */
function answeredUntil(survey: Survey, facts: Fact[], now: number): number | null {
  const counting = facts.filter(
    (one) => one.rule_set === survey.rule_set && one.withdrawn_at === null && one.valid_until > now,
  );
  return counting.length === 0 ? null : Math.max(...counting.map((one) => one.valid_until));
}

/** Surveys that wait for an answer. */
export function unanswered(surveys: Survey[], facts: Fact[], now: number): Survey[] {
  return surveys.filter((one) => answeredUntil(one, facts, now) === null);
}

export function Surveys({ surveys, facts, now, send }: Shown) {
  const words = useSpeech();
  if (surveys.length === 0) return null;
  return (
    <section aria-labelledby="surveys">
      <h2 id="surveys">{words.surveys}</h2>
      {surveys.map((survey) => (
        <SurveyCard
          key={`${survey.rule_set} ${survey.rule_set_version}`}
          survey={survey}
          until={answeredUntil(survey, facts, now)}
          send={(answers) => send(survey.rule_set, answers)}
        />
      ))}
    </section>
  );
}

interface Asked {
  survey: Survey;
  until: number | null;
  send: (answers: Answers) => Promise<void>;
}

function SurveyCard({ survey, until, send }: Asked) {
  const words = useSpeech();
  const [done, setDone] = useState(false);
  const outcome = useRef<HTMLParagraphElement>(null);
  useEffect(() => {
    if (done) outcome.current?.focus();
  }, [done]);
  return (
    <article class="card">
      <h3 dir="auto">{words.of(survey.words)}</h3>
      <Facts
        rows={[
          [words.authority, survey.authority],
          [words.contact, survey.contact],
        ]}
      />
      <p ref={outcome} tabIndex={-1} class={until === null ? "" : "good"}>
        {until === null ? words.surveyOpen(Math.ceil(survey.valid_for / 86_400)) : words.surveyAnswered(words.when(until))}
      </p>
      {!done && (
        <details>
          <summary>{until === null ? words.surveyAnswer : words.surveyAgain}</summary>
          <SurveyForm
            survey={survey}
            send={async (answers) => {
              await send(answers);
              setDone(true);
            }}
          />
        </details>
      )}
    </article>
  );
}

function SurveyForm({ survey, send }: Pick<Asked, "survey" | "send">) {
  const words = useSpeech();
  const [answers, setAnswers] = useState<Answers>({});
  const [wrong, setWrong] = useState<string[]>([]);
  const [trouble, setTrouble] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);

  async function submit(event: Event) {
    event.preventDefault();
    if (busy) return;
    const missing = survey.questions.filter((one) => !fits(one, answers[one.id])).map((one) => one.id);
    setWrong(missing);
    setTrouble(null);
    if (missing[0] !== undefined) return form.current?.querySelector<HTMLElement>(`[name="${missing[0]}"]`)?.focus();
    setBusy(true);
    try {
      await send(answers);
    } catch (error) {
      setTrouble(said(error, words, { conflict: words.surveyAtDesk, "not-found": words.surveyGone }));
      setBusy(false);
    }
  }

  return (
    <form ref={form} onSubmit={submit} noValidate>
      {survey.questions.map((question) => (
        <Field
          key={question.id}
          question={question}
          id={`survey-${survey.rule_set}-${question.id}`}
          answer={answers[question.id]}
          wrong={wrong.includes(question.id)}
          give={(answer) => setAnswers({ ...answers, [question.id]: answer })}
        />
      ))}
      <p class="trouble" role="alert" hidden={trouble === null}>{trouble}</p>
      <button type="submit" class="main" aria-disabled={busy}>
        {busy ? words.sending : words.send}
      </button>
    </form>
  );
}

type Answer = Answers[string];

interface Posed {
  question: Question;
  id: string;
  answer: Answer | undefined;
  wrong: boolean;
  give: (answer: Answer) => void;
}

function Field({ question, id, answer, wrong, give }: Posed) {
  const words = useSpeech();
  const described = wrong ? `${id}-trouble` : undefined;
  const trouble = <p id={`${id}-trouble`} class="trouble" hidden={!wrong}>{expected(question, words)}</p>;
  if (question.kind === "yes-no" || question.kind === "choice") {
    const options: [Answer, string][] =
      question.kind === "yes-no"
        ? [[true, words.yes], [false, words.no]]
        : question.choices.map((one) => [one.value, words.of(one.words)]);
    return (
      <fieldset class="scopes answers" aria-describedby={described}>
        <legend dir="auto">{words.of(question.words)}</legend>
        {options.map(([value, label]) => (
          <label key={String(value)}>
            <input type="radio" name={question.id} checked={answer === value} onChange={() => give(value)} />
            <span dir="auto">{label}</span>
          </label>
        ))}
        {trouble}
      </fieldset>
    );
  }
  const number = question.kind === "number";
  const same = {
    id,
    name: question.id,
    autocomplete: "off",
    "aria-invalid": wrong,
    "aria-describedby": [number ? `${id}-hint` : null, described].filter(Boolean).join(" ") || undefined,
  };
  return (
    <div>
      <label for={id} dir="auto">{words.of(question.words)}</label>
      {number && <p class="hint" id={`${id}-hint`}>{words.between(question.least, question.most)}</p>}
      {number ? (
        <input {...same} type="text" inputMode="numeric" onInput={(event) => give(whole(event.currentTarget.value))} />
      ) : (
        <input {...same} type="date" onInput={(event) => give(event.currentTarget.value)} />
      )}
      {trouble}
    </div>
  );
}

/** The number that was typed; the text itself where it is none, which does not fit. */
function whole(typed: string): Answer {
  return /^-?\d{1,7}$/.test(typed.trim()) ? Number(typed) : typed;
}

function fits(question: Question, answer: Answer | undefined): boolean {
  if (question.kind === "number") {
    return typeof answer === "number" && question.least <= answer && answer <= question.most;
  }
  return answer !== undefined && answer !== "";
}

function expected(question: Question, words: ReturnType<typeof useSpeech>): string {
  if (question.kind === "number") return words.between(question.least, question.most);
  return question.kind === "date" ? words.dateMissing : words.answerMissing;
}
