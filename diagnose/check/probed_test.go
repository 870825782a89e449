package check

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// TestWithProbes: one fault is one finding. A request that fails on a path that is known to fail is evidence there, and nothing else
// of what requests show is lost.
func TestWithProbes(t *testing.T) {
	t.Parallel()
	path := func(host string) *trace.Path {
		return &trace.Path{Path: egress.Path{Host: egress.Host(host), Port: 443}}
	}
	news, wiki := path("edition.cnn.com"), path("en.wikipedia.org")
	before := []Finding{
		{Code: "EGR001", State: Pass, Path: news.String()},
		{Code: "EGR002", State: Fail, Path: news.String(), Evidence: []string{"no entry"}},
		{Code: "EGR033", State: Warn, Path: wiki.String()},
	}
	kept := slices.Clone(before[1].Evidence)
	round := Finding{Message: "went round the gateway"}
	cases := map[string]struct {
		probed []Finding
		want   []string // "CODE STATE EVIDENCE" of what is new or changed
	}{
		"nothing":                     {nil, nil},
		"fails where another does":    {[]Finding{Probed(news, round)}, []string{"EGR002 fail no entry a request: went round the gateway"}},
		"fails where nothing else":    {[]Finding{Probed(wiki, round)}, []string{"EGR069 fail"}},
		"works where another fails":   {[]Finding{Probed(news, Finding{State: Pass})}, []string{"EGR069 pass"}},
		"unknown where another fails": {[]Finding{Probed(news, Finding{State: Unknown})}, []string{"EGR069 unknown"}},
		"two hosts of one path":       {[]Finding{Probed(wiki, round), Probed(wiki, round)}, []string{"EGR069 fail", "EGR069 fail"}},
	}
	for name, tt := range cases {
		var got []string
		for i, f := range WithProbes(before, tt.probed) {
			if i < len(before) && cmp.Equal(before[i], f, cmpopts.IgnoreUnexported(Finding{})) {
				continue
			}
			line := string(f.Code) + " " + string(f.State)
			for _, e := range f.Evidence {
				line += " " + e
			}
			got = append(got, line)
			if f.Path == "" || f.Code == requestElsewhere.Code && f.Title != requestElsewhere.Title {
				t.Errorf("%s: path %q, title %q", name, f.Path, f.Title)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
		if !slices.Equal(before[1].Evidence, kept) {
			t.Errorf("%s: what was given has been changed: %q", name, before[1].Evidence)
		}
	}
}
