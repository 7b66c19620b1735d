//! The facts of the journal in words. Their kinds have one name in every language, as in the record
//! and in exports; what people wrote is as they wrote it.

use crate::engine::{Event, HostFact, Said, Voice};

use super::{Lang, choice, ends, gate, kind, readiness, say, undo_short};

/// Who speaks, for whom, and what proves it.
fn voice_words(lang: Lang, voice: &Voice) -> String {
    let proof = match voice.said.as_deref() {
        None => super::Say::NONE,
        Some(Said { signed: Some(_), .. }) => say(" (signed)", " (已签名)"),
        Some(Said { signed: None, .. }) => say(" (not signed)", " (未签名)"),
    };
    format!("{} {}{}", voice.role, voice.person, proof.to(lang))
}

/// An event's word and what it is about.
#[expect(clippy::too_many_lines, reason = "one arm for each thing that can happen")]
pub(in crate::ui) fn describe(lang: Lang, event: &Event) -> (&'static str, String) {
    match event {
        Event::SessionOpened(genesis) => {
            let plan = genesis.plan.short();
            let (kind, runbook) = (kind(genesis.kind).to(lang), &genesis.runbook);
            ("opened", both!(lang, "{kind} {runbook} plan {plan}", "{kind} {runbook} 计划 {plan}"))
        }
        Event::RunBegan => ("began", String::new()),
        Event::Resumed { driver, away, in_doubt, sought, .. } => {
            let (doubt, asked) = (in_doubt.len(), sought.len());
            let about = both!(
                lang,
                "by {driver} after {away}, {doubt} in doubt, {asked} asked for",
                "{driver}，离开 {away}，存疑 {doubt} 个，待查 {asked} 个"
            );
            ("resumed", about)
        }
        Event::DriverLeft { why } => ("driver left", why.to_string()),
        Event::AttemptStarted { key, places, payload, .. } => {
            let (n, payload) = (places.len(), payload.short());
            let about = both!(
                lang,
                "{key} in {n} places, sends {payload}",
                "{key}，{n} 处，发送 {payload}"
            );
            ("started", about)
        }
        Event::WavesPlanned { key, waves } => {
            let n = waves.len();
            ("waves planned", both!(lang, "{key} goes on in {n} more", "{key}，还有 {n} 批"))
        }
        Event::WavePaused { key, .. } => ("wave over", key.to_string()),
        Event::WaveStarted { key, places } => {
            let n = places.len();
            ("wave started", both!(lang, "{key} in {n} more places", "{key}，再 {n} 处"))
        }
        Event::JobEnded { job, end, transcript } => {
            let bytes = transcript.as_ref().map_or(0, |transcript| transcript.bytes);
            let end = ends::end(lang, end);
            ("ended", both!(lang, "{job} {end}, {bytes} bytes", "{job} {end}，{bytes} 字节"))
        }
        Event::JobSighted { job, sight } => {
            ("sighted", format!("{job} {}", ends::sight(lang, sight)))
        }
        Event::TimeLimitReached { key } => ("time limit", key.to_string()),
        Event::StopAsked { key } => ("stop asked", key.to_string()),
        Event::RetryPlanned { step, .. } => ("retry planned", step.to_string()),
        Event::SoakStarted { step, .. } => ("soak started", step.to_string()),
        Event::SoakBreached { step, probe, health } => {
            let health = ends::health(*health).to(lang);
            ("soak breached", format!("{step}: {probe} {health}"))
        }
        Event::Settled { step, part, verdict } => {
            let undo = undo_short(part.is_undo(), lang);
            ("settled", format!("{undo}{step} {}", ends::verdict(*verdict).to(lang)))
        }
        Event::Skipped { step, reason } => ("skipped", format!("{step}: {reason}")),
        Event::SaidDone { step, reason, .. } => ("said to be done", format!("{step}: {reason}")),
        Event::DoneByHand { step, reason, .. } => ("done by hand", format!("{step}: {reason}")),
        Event::FailureAccepted { step, reason, .. } => {
            ("failure accepted", format!("{step}: {reason}"))
        }
        Event::SignedOff { step, words, .. } => ("signed off", format!("{step}: {words}")),
        Event::Voted { step, voice, choice: voted, words } => {
            let said = choice(*voted).to(lang);
            ("vote", format!("{step}: {} {said} {words}", voice_words(lang, voice)))
        }
        Event::Waived { step, criterion, reason, .. } => {
            ("waived", format!("{step} {}: {reason}", gate::criterion(lang, criterion)))
        }
        Event::WaiverEnded { step, criterion } => {
            ("waiver over", format!("{step} {}", gate::criterion(lang, criterion)))
        }
        Event::Approved { step, voice, words } => {
            ("second person", format!("{step}: {} {words}", voice_words(lang, voice)))
        }
        Event::StepEdited { step, part, was, text, reason, .. } => {
            let undo = undo_short(part.is_undo(), lang);
            let is = crate::base::Digest::of(text.as_bytes());
            let (was, is) = (was.short(), is.short());
            let about = both!(
                lang,
                "{undo}{step}: {was} is now {is}: {reason}",
                "{undo}{step}: {was} 改为 {is}：{reason}"
            );
            ("edited", about)
        }
        Event::Replanned { was, plan, changes, reason } => {
            let (was, plan) = (was.short(), plan.short());
            let n = changes.len();
            let about = both!(
                lang,
                "{was} is now {plan}, {n} steps: {reason}",
                "{was} 改为 {plan}，{n} 个步骤：{reason}"
            );
            ("replanned", about)
        }
        Event::PlaybookOpened { playbook, reason } => {
            ("playbook open", format!("{playbook}: {reason}"))
        }
        Event::ShellOpened(opened) => {
            let (host, reason) = (&opened.host, &opened.reason);
            ("SHELL opened", both!(lang, "on {host}: {reason}", "{host}：{reason}"))
        }
        Event::ShellEnded(ended) => {
            let (host, how) = (&ended.host, super::shell::end(lang, &ended.end));
            ("shell over", both!(lang, "on {host}: {how}", "{host}：{how}"))
        }
        Event::PlaybookClosed { playbook } => ("playbook shut", playbook.to_string()),
        Event::Returned { checkpoint } => {
            ("returned", both!(lang, "to checkpoint {checkpoint}", "回到检查点 {checkpoint}"))
        }
        Event::GateDecided { step, choice: decided, reason, .. } => {
            let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            ("gate", format!("{step} {}{reason}", choice(*decided).to(lang)))
        }
        Event::WindowOverridden { reason, .. } => {
            ("override", both!(lang, "window: {reason}", "窗口：{reason}"))
        }
        Event::Held { why } => ("held", why.to_string()),
        Event::Continued => ("continued", String::new()),
        Event::AutoAdvance { on } => {
            ("auto-advance", if *on { say("on", "开") } else { say("off", "关") }.own(lang))
        }
        Event::GuardOpened => ("guard open", String::new()),
        Event::GuardClosed { why } => ("guard closed", why.to_string()),
        Event::RollbackBegan { reason, items, to, .. } => {
            let to = to.as_ref().map(|to| {
                let checkpoint = &to.checkpoint;
                both!(lang, " to checkpoint {checkpoint}", "，回到检查点 {checkpoint}")
            });
            let (n, to) = (items.len(), to.unwrap_or_default());
            ("rollback", both!(lang, "{n} items{to}: {reason}", "{n} 项{to}：{reason}"))
        }
        Event::RollbackEnded { verified: true } => {
            ("rolled back", say("verified", "已验证").own(lang))
        }
        Event::RollbackEnded { verified: false } => {
            ("rolled back", say("NOT verified", "未验证").own(lang))
        }
        Event::HealthChanged { probe, was, is, .. } => {
            let (was, is) = (ends::health(*was).to(lang), ends::health(*is).to(lang));
            ("health", format!("{probe} {was} -> {is}"))
        }
        Event::ReadinessChanged { need, proof } => {
            let (need, said) =
                (readiness::need(lang, need), readiness::proof(lang, proof.as_ref()));
            ("way back", both!(lang, "{need}: {said}", "{need}：{said}"))
        }
        Event::LossMeasured { lost, says } => {
            let lost =
                lost.map_or_else(|| say("not known", "未知").own(lang), |lost| lost.to_string());
            ("data lost", format!("{lost}: {says}"))
        }
        Event::AlarmRaised { text, .. } => ("alarm", text.to_string()),
        Event::AlarmCleared { .. } => ("alarm over", String::new()),
        Event::AlarmsAcknowledged => ("acknowledged", String::new()),
        Event::Noted { step, text } => {
            let step = step.as_ref().map(|step| format!("{step}: ")).unwrap_or_default();
            ("note", format!("{step}{text}"))
        }
        Event::Captured { name, value, from } => {
            ("captured", both!(lang, "{name}={value} on {from}", "{name}={value}，来自 {from}"))
        }
        Event::StoodStill { span, asleep: true } => ("slept", span.to_string()),
        Event::StoodStill { span, asleep: false } => ("stood still", span.to_string()),
        Event::HostNoted { host, fact } => ("host", format!("{host}: {}", host_fact(lang, fact))),
        Event::ClockJumped { millis } => ("clock jumped", format!("{millis} ms")),
        Event::RecordingLost { why } => ("RECORD LOST", why.to_string()),
        Event::RecordingOverridden { reason } => {
            ("override", both!(lang, "unrecorded: {reason}", "未记录：{reason}"))
        }
        Event::RecordedLate { facts, .. } => {
            ("recorded late", both!(lang, "{facts} facts", "{facts} 条"))
        }
        Event::NoticeDelivered { channel, numbers, tries } => {
            let tries = match tries {
                0 | 1 => String::new(),
                tries => both!(lang, ", at try {tries}", "，第 {tries} 次"),
            };
            let n = numbers.len();
            (
                "notice",
                both!(lang, "{channel}: {n} delivered{tries}", "{channel}: 已送达 {n} 条{tries}"),
            )
        }
        Event::NoticeLost { tries, why, .. } => {
            ("notice LOST", both!(lang, "{why}, after {tries} tries", "{why}，共试 {tries} 次"))
        }
        Event::Completed => ("completed", String::new()),
        Event::Abandoned { reason } => ("abandoned", reason.to_string()),
        Event::Closed => ("closed", String::new()),
    }
}

fn host_fact(lang: Lang, fact: &HostFact) -> String {
    match (lang, fact) {
        (Lang::En, _) => fact.words(),
        (Lang::Zh, HostFact::KeySeen { key }) => format!("本会话的主机密钥是 {key}"),
        (Lang::Zh, HostFact::KeyChanged { held, shown }) => {
            format!("已停止：出示了密钥 {shown}，应为 {held}")
        }
        (Lang::Zh, HostFact::KeyAccepted { held, key, reason }) => {
            format!("已接受新密钥 {key}，替代 {held}：{reason}")
        }
        (Lang::Zh, HostFact::Clock(offset)) => {
            let way = if offset.millis < 0 { "慢" } else { "快" };
            format!("时钟{way} {} ms (± {})", offset.millis.unsigned_abs(), offset.within)
        }
    }
}
