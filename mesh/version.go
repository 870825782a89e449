package mesh

import (
	"fmt"
	"strconv"
	"strings"
)

// Version is a release of Istio. The zero value means that it is not known.
type Version struct {
	Major, Minor, Patch int
}

// maxNumber keeps hashes and dates that look like numbers from being taken for versions.
const maxNumber = 9999

// ParseVersion reads what image tags, labels and proxies say: "1.31.0", "v1.31", "1.31.0-distroless",
// "1.20.8-asm.1", "1.31-alpha.86c9f01". What follows the numbers is dropped. Words like "unknown" and "latest" are an
// error.
func ParseVersion(s string) (Version, error) {
	numbers, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(s), "v"), "-")
	numbers, _, _ = strings.Cut(numbers, "+")
	parts := strings.Split(numbers, ".")
	if len(parts) < 2 || len(parts) > 3 {
		return Version{}, fmt.Errorf("%q is not a version of Istio such as 1.31.0", s)
	}
	var v Version
	for i, field := range []*int{&v.Major, &v.Minor, &v.Patch}[:len(parts)] {
		n, err := strconv.ParseUint(parts[i], 10, 16)
		if err != nil || n > maxNumber {
			return Version{}, fmt.Errorf("%q is not a version of Istio such as 1.31.0", s)
		}
		*field = int(n)
	}
	if v.IsZero() {
		return Version{}, fmt.Errorf("%q is not a version of Istio such as 1.31.0", s)
	}
	return v, nil
}

// IsZero says that the version is not known.
func (v Version) IsZero() bool { return v == Version{} }

// AtLeast compares with a minor release. An unknown version is at least nothing.
func (v Version) AtLeast(major, minor int) bool {
	return v.Major > major || v.Major == major && v.Minor >= minor
}

// Compare is negative, zero or positive as v is older than, the same as or newer than o.
func (v Version) Compare(o Version) int {
	for _, d := range []int{v.Major - o.Major, v.Minor - o.Minor, v.Patch - o.Patch} {
		if d != 0 {
			return d
		}
	}
	return 0
}

// String is "1.31.0", or empty if the version is not known.
func (v Version) String() string {
	if v.IsZero() {
		return ""
	}
	return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch)
}

// MarshalText writes what String gives.
func (v Version) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (v *Version) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*v = Version{}
		return nil
	}
	read, err := ParseVersion(string(b))
	if err != nil {
		return err
	}
	*v = read
	return nil
}
