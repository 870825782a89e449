package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// config is what .goreleaser.yaml says, as far as this program understands it. Keys that are not here are refused, so that nothing in
// the file is silently left out when a release is built without goreleaser.
type config struct {
	Version     int             `json:"version"`
	ProjectName string          `json:"project_name"`
	Builds      []build         `json:"builds"`
	Archives    []archiveFormat `json:"archives"`
	Checksum    struct {
		NameTemplate string `json:"name_template"`
		Algorithm    string `json:"algorithm"`
	} `json:"checksum"`
	SBOMs []struct {
		Artifacts string   `json:"artifacts"`
		Documents []string `json:"documents"`
	} `json:"sboms"`
	Signs []struct {
		Cmd       string   `json:"cmd"`
		Signature string   `json:"signature"`
		Args      []string `json:"args"`
		Artifacts string   `json:"artifacts"`
		Output    bool     `json:"output"`
	} `json:"signs"`
	Changelog struct {
		Disable bool `json:"disable"`
	} `json:"changelog"`
	Release struct {
		Prerelease string `json:"prerelease"`
	} `json:"release"`
}

type build struct {
	ID           string   `json:"id"`
	Main         string   `json:"main"`
	Binary       string   `json:"binary"`
	Env          []string `json:"env"`
	OS           []string `json:"goos"`
	Arch         []string `json:"goarch"`
	Flags        []string `json:"flags"`
	Gcflags      []string `json:"gcflags"`
	Ldflags      []string `json:"ldflags"`
	ModTimestamp string   `json:"mod_timestamp"`
}

type archiveFormat struct {
	ID           string   `json:"id"`
	IDs          []string `json:"ids"`
	NameTemplate string   `json:"name_template"`
	Formats      []string `json:"formats"`
	Overrides    []struct {
		OS      string   `json:"goos"`
		Formats []string `json:"formats"`
	} `json:"format_overrides"`
	BuildsInfo struct {
		MTime string `json:"mtime"`
	} `json:"builds_info"`
	Files []struct {
		Src  string `json:"src"`
		Info struct {
			MTime string `json:"mtime"`
		} `json:"info"`
	} `json:"files"`
}

// readConfig reads .goreleaser.yaml. One build and one kind of archive is what there is.
func readConfig(file string) (config, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the files are named in this program
	if err != nil {
		return config{}, err
	}
	var c config
	if err := yaml.UnmarshalStrict(text, &c); err != nil {
		return config{}, fmt.Errorf("%s: %w", file, err)
	}
	if len(c.Builds) != 1 || len(c.Archives) != 1 {
		return config{}, fmt.Errorf("%s: %d builds and %d archives; one of each is known here", file, len(c.Builds), len(c.Archives))
	}
	return c, nil
}

// platform is OS and architecture, in Go's words.
type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "/" + p.arch }

// platforms are those that are released, in the order of the file.
func (c config) platforms() []platform {
	var all []platform
	for _, o := range c.Builds[0].OS {
		for _, a := range c.Builds[0].Arch {
			all = append(all, platform{o, a})
		}
	}
	return all
}

// chosen gives the platforms that are named, all if none is.
func (c config) chosen(names string) ([]platform, error) {
	if names == "" {
		return c.platforms(), nil
	}
	var all []platform
	for name := range strings.SplitSeq(names, ",") {
		o, a, _ := strings.Cut(name, "/")
		p := platform{o, a}
		if !slices.Contains(c.platforms(), p) {
			return nil, fmt.Errorf("%s is not released; there are %v", name, c.platforms())
		}
		all = append(all, p)
	}
	return all, nil
}

// binary is the program's file name.
func (c config) binary(p platform) string {
	if p.os == "windows" {
		return c.Builds[0].Binary + ".exe"
	}
	return c.Builds[0].Binary
}

// archive is the archive's file name.
func (c config) archive(p platform) string {
	name := strings.NewReplacer("{{ .ProjectName }}", c.ProjectName, "{{ .Os }}", p.os, "{{ .Arch }}", p.arch).Replace(c.Archives[0].NameTemplate)
	format := c.Archives[0].Formats[0]
	for _, o := range c.Archives[0].Overrides {
		if o.OS == p.os {
			format = o.Formats[0]
		}
	}
	return name + "." + format
}

// arguments are those of go build, as goreleaser makes them. The version is without its v.
func (c config) arguments(version, output string) []string {
	b := c.Builds[0]
	args := append([]string{"build"}, b.Flags...)
	for _, g := range b.Gcflags {
		args = append(args, "-gcflags="+g)
	}
	ldflags := strings.ReplaceAll(strings.Join(b.Ldflags, " "), "{{ .Version }}", version)
	return append(args, "-ldflags="+ldflags, "-o", output, b.Main)
}
