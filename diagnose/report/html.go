package report

import (
	"fmt"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// style is all of the page's looks; the page loads nothing and runs nothing, which its Content-Security-Policy holds it to.
const style = `body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin:2rem 0 .5rem;border-top:1px solid #d0d7de;padding-top:1rem}
code,pre{font:13px/1.45 ui-monospace,monospace}pre{background:#f3f4f6;padding:.6rem;white-space:pre-wrap;overflow-wrap:anywhere}
ol.way{display:flex;flex-wrap:wrap;gap:.5rem;list-style:none;padding:0}ol.way li{border:1px solid #d0d7de;border-left-width:.4rem;padding:.3rem .7rem;max-width:24rem;overflow-wrap:anywhere}
article{border:1px solid #d0d7de;border-left-width:.4rem;padding:.2rem 1rem;margin:.7rem 0}article h3{font-size:1rem;margin:.5rem 0}
.state{font-weight:600}.pass{border-left-color:#1a7f37}.fail{border-left-color:#cf222e}.warn,.unknown{border-left-color:#bf8700}.skip{border-left-color:#8c959f}
table{border-collapse:collapse}td,th{text-align:left;padding:.15rem 1rem .15rem 0}small{color:#57606a}
@media (prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}pre{background:#161b22}ol.way li,article,h2{border-color:#30363d}a{color:#58a6ff}small{color:#8d96a0}}`

// page is the HTML being made. Everything that is not written here goes through text.
type page struct {
	Options
	strings.Builder
}

// put writes a line of our own; its arguments are escaped, whatever they are.
func (p *page) put(format string, args ...any) {
	for i, a := range args {
		args[i] = escaped(fmt.Sprint(a))
	}
	fmt.Fprintf(p, format+"\n", args...)
}

// web draws the report as one page that needs nothing beside it.
func web(r Report, o Options) string {
	p := &page{Options: o}
	p.put(`<!DOCTYPE html>`)
	p.put(`<html lang="en"><head><meta charset="utf-8"><title>Egress paths</title>`)
	p.put(`<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`)
	p.put(`<meta name="viewport" content="width=device-width, initial-scale=1">`)
	p.WriteString("<style>\n" + style + "\n</style></head><body>\n")
	p.put(`<h1>Egress paths</h1>`)
	p.head(&r)
	for _, s := range r.suites() {
		p.put(`<section>`)
		p.path(s)
		p.findings(s)
		p.put(`</section>`)
	}
	p.put(`</body></html>`)
	return p.String()
}

// head tells the sums, and every path in one line.
func (p *page) head(r *Report) {
	s := r.Summary
	p.put(`<p><span class="state">exit code %s</span>: %s fail, %s warn, %s unknown, %s skipped, %s pass`, r.ExitCode, s.Fail, s.Warn, s.Unknown, s.Skip, s.Pass)
	p.put(`<br><small>kubectl-egress %s, Istio %s</small></p>`, r.ToolVersion, r.IstioVersion)
	for _, n := range r.Notes {
		p.put(`<p><small>%s</small></p>`, n)
	}
	if len(r.Paths) == 0 {
		p.put(`<p>no egress path found</p>`)
		return
	}
	p.put(`<table><thead><tr><th>path</th><th>mode</th><th>set</th><th>state</th><th>findings</th></tr></thead><tbody>`)
	for i := range r.Paths {
		path := &r.Paths[i]
		p.put(`<tr><td><a href="#%s">%s</a></td><td>%s</td><td>%s</td><td class="state">%s</td><td>%s</td></tr>`,
			path.name(), path.name(), path.Mode, made(path), path.State(), r.codes(path))
	}
	p.put(`</tbody></table>`)
}

func made(p *Path) string {
	if p.Set == "" {
		return "made by hand"
	}
	return p.Set
}

// path draws the way as a row of stations.
func (p *page) path(s *suite) {
	p.put(`<h2 id="%s">%s</h2>`, s.name, s.name)
	path := s.path
	if path == nil {
		return
	}
	p.put(`<p>%s, %s, by %s</p>`, path.Mode, made(path), orNone(path.Gateway))
	p.put(`<ol class="way"><li>%s</li>`, egress.AtWorkload)
	for _, h := range path.Hops {
		p.put(`<li class="%s">%s <span class="state">%s</span><br><small>%s</small></li>`, h.State, h.Name, h.State, h.Detail)
	}
	p.put(`</ol>`)
}

// findings tells what was found, what passes at the end and folded away.
func (p *page) findings(s *suite) {
	for _, state := range []check.State{check.Fail, check.Unknown, check.Warn, check.Skip} {
		for _, f := range s.findings {
			if f.State == state {
				p.finding(f)
			}
		}
	}
	if s.sum.Pass == 0 {
		return
	}
	p.put(`<details><summary>%s pass</summary><ul>`, s.sum.Pass)
	for _, f := range s.findings {
		if f.State == check.Pass {
			p.put(`<li>%s %s</li>`, f.Code, f.Title)
		}
	}
	p.put(`</ul></details>`)
}

func (p *page) finding(f *Finding) {
	p.put(`<article class="%s"><h3><span class="state">%s</span> %s %s</h3>`, f.State, f.State, f.Code, f.Title)
	p.put(`<p>%s</p>`, f.says())
	if o := f.object(); o != "" {
		p.put(`<p>object: <code>%s</code></p>`, o)
	}
	if len(f.Evidence) > 0 {
		p.put(`<ul>`)
		for _, e := range f.Evidence {
			p.put(`<li>%s</li>`, e)
		}
		p.put(`</ul>`)
	}
	if f.Fix != "" {
		p.put(`<p>mend:</p><pre>%s</pre>`, f.Fix)
	}
	if p.Home != "" {
		p.put(`<p><a href="%s">why, and how to mend it</a></p>`, p.page(f.Code))
	}
	p.put(`</article>`)
}
