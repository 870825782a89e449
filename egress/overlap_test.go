package egress

import (
	"errors"
	"testing"
)

func TestOverlap(t *testing.T) {
	t.Parallel()
	set := func(ns, name string, hosts ...string) Set {
		return mustSet(t, Declaration{Namespace: ns, Name: name, Domains: hosts})
	}
	private := func(ns, gateway string) Set {
		d := Declaration{Namespace: ns, Name: "mine", Domains: []string{"edition.cnn.com"}, Gateway: gateway, ExportTo: []string{"."}}
		if gateway == "" {
			d.Mode = "direct"
		}
		return mustSet(t, d)
	}
	mine := set("default", "mine", "edition.cnn.com")
	for _, tt := range []struct {
		name   string
		set    Set
		others []Set
		want   string // empty: no overlap
	}{
		{"no others", mine, nil, ""},
		{"itself", mine, []Set{set("default", "mine", "edition.cnn.com", "www.cnn.com")}, ""},
		{"other hosts", mine, []Set{set("default", "b", "www.cnn.com"), set("team", "mine", "cnn.com")}, ""},
		{
			"same host", mine,
			[]Set{set("default", "b", "a.com", "edition.cnn.com")},
			"edition.cnn.com is already in set default/b; change that set with --name b -n default, or remove it first",
		},
		{
			"same name, other namespace", mine,
			[]Set{set("team", "mine", "edition.cnn.com")},
			"edition.cnn.com is already in set team/mine; change that set with --name mine -n team, or remove it first",
		},
		{
			"wildcard swallows", set("default", "mine", "*.cnn.com"),
			[]Set{set("default", "b", "edition.cnn.com")},
			"*.cnn.com would swallow edition.cnn.com of set default/b; put both in one set with --name b -n default, or remove that set first",
		},
		{
			"wildcard swallows a narrower one", set("default", "mine", "*.com"),
			[]Set{set("default", "b", "*.cnn.com")},
			"*.com would swallow *.cnn.com of set default/b; put both in one set with --name b -n default, or remove that set first",
		},
		{
			"covered by a wildcard", mine,
			[]Set{set("default", "b", "*.cnn.com")},
			"edition.cnn.com is already covered by *.cnn.com of set default/b; put both in one set with --name b -n default, or remove that set first",
		},
		{
			"the same wildcard", set("default", "mine", "*.cnn.com"),
			[]Set{set("default", "b", "*.cnn.com")},
			"*.cnn.com is already in set default/b; change that set with --name b -n default, or remove it first",
		},
		{"both in one set", set("default", "mine", "*.cnn.com", "edition.cnn.com"), nil, ""},
		{"private sets behind gateways of their own", private("a", "a/gw"), []Set{private("b", "b/gw")}, ""},
		{"private sets, both direct", private("a", ""), []Set{private("b", "")}, ""},
		{
			"private sets behind one gateway", private("a", "istio-system/gw"),
			[]Set{private("b", "istio-system/gw")},
			"edition.cnn.com is already in set b/mine; change that set with --name mine -n b, or remove it first",
		},
		{
			"one of them for all", private("a", "a/gw"),
			[]Set{set("b", "mine", "edition.cnn.com")},
			"edition.cnn.com is already in set b/mine; change that set with --name mine -n b, or remove it first",
		},
		{"domain of a wildcard", set("default", "mine", "cnn.com"), []Set{set("default", "b", "*.cnn.com")}, ""},
	} {
		err := Overlap(tt.set, tt.others)
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		var overlap *OverlapError
		var input *InputError
		if !errors.As(err, &overlap) || !errors.As(err, &input) || err.Error() != tt.want || input.Msg != tt.want {
			t.Errorf("%s:\n got %v\nwant %s", tt.name, err, tt.want)
		}
	}
}
